"""Turns a parsed query into conditions on rows, ids and the search index.

Names become label ids, times become ranges of message ids, and words become terms of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from django.db import connection
from django.db.models import F, Func, Q, QuerySet
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.translation import gettext as _

from maillog.index.terms import IndexTerm
from maillog.index.tokens import ends_in_token, tokens
from maillog.index.writing import PROBLEM_STATUSES, TEXT_COLUMNS, label_token, tag_token
from maillog.models import Incident, IncidentMail, Message, Status
from maillog.retriable import is_retriable
from maillog.search.query import FLAGS, LARGEST_ID, NAMES, TIMES, Query, QueryError, Term, closest_match, without_quotes
from maillog.search.results import MAX_CANDIDATES, NOT_SENT, SearchResult

Labels = Mapping[tuple[str, str], int]  # (kind, text) -> id

INDEX_COLUMNS = {"to": "recipients", "from": "sender"}  # operator -> column of the index
ADDRESS_COLUMNS = tuple(name for name in TEXT_COLUMNS if name != "subject")
SYSTEM = "system"
TEST = "test"
RETRIABLE = "retriable"
IS_TEST = Q(is_test=True)


class Unindexed(Func):
    """A column that SQLite must not use an index for: the unary plus hides it from the planner."""

    template = "+%(expressions)s"


@dataclass(slots=True)
class Conditions:
    """All conditions of a search, collected term by term and from the fields of the page."""

    labels: Labels
    now: datetime = field(default_factory=timezone.now)  # "after:2h" counts back from here
    row_conditions: list[Q] = field(default_factory=list)
    label_ids: list[tuple[str, int]] = field(default_factory=list)  # (kind, id) of labels that the message must have
    terms: list[IndexTerm] = field(default_factory=list)
    # What row conditions say too, for searches that use the index anyway; the second only for problem statuses, whose
    # entries alone contain it.
    redundant_terms: list[IndexTerm] = field(default_factory=list)
    redundant_problem_terms: list[IndexTerm] = field(default_factory=list)
    candidate_filters: list[Q] = field(default_factory=list)
    any_status: list[str] = field(
        default_factory=list
    )  # of two or more, none of them "sent", the message must have one
    after_id: int | None = None
    before_id: int | None = None

    def apply(self, rows: QuerySet[Message]) -> SearchResult:
        """Return the messages among `rows` for which all conditions hold."""
        for condition in self.row_conditions:
            rows = rows.filter(condition)
        indexed = self.label_ids
        if len(indexed) > 1 and not self.terms and connection.vendor == "sqlite":
            rarest, *others = _rarest_first(indexed)
            indexed = [rarest]
            for kind, pk in others:
                rows = rows.filter(Exact(Unindexed(F(f"{kind}_id")), pk))
        for kind, pk in indexed:
            rows = rows.filter(_has_label(kind, pk))
        terms = [*self.terms, *self.redundant_terms] if self.terms else []
        if any(term.implies_problem for term in terms):
            terms += self.redundant_problem_terms
        return SearchResult(
            rows, tuple(terms), tuple(self.candidate_filters), tuple(self.any_status), self.after_id, self.before_id
        )

    def add_query(self, query: Query) -> None:
        """Add all terms of `query`. Raises QueryError for a name that no message has."""
        for term in query.terms:
            if term.field == "status":
                self.add_statuses(term.values, negated=term.negated)
            elif term.field in NAMES:
                self.add_label_name(term)
            elif term.field in TIMES:
                self.add_time(term)
            elif term.is_searchable:
                HANDLERS.get(term.field, Conditions.add_words)(self, term)

    def add_statuses(self, statuses: list[str], *, negated: bool = False) -> None:
        """Require one of `statuses`, or none of them if `negated`."""
        if negated and Status.SENT in statuses:  # all others have a partial index, see below
            statuses, negated = [status for status in Status.values if status not in statuses] or [""], False
        one_of = Q(status=statuses[0]) if len(statuses) == 1 else Q(status__in=statuses)
        if negated:
            self.row_conditions.append(~one_of)
            return
        self.row_conditions.append(one_of)
        if Status.SENT in statuses:
            return
        self.row_conditions.append(NOT_SENT)
        if len(statuses) > 1:
            self.any_status = list(statuses)
            return
        self.candidate_filters.append(one_of & NOT_SENT)
        if statuses[0] in PROBLEM_STATUSES:
            self.redundant_terms.append(_tag_term(statuses[0]))

    def add_label_name(self, term: Term) -> None:
        """Require a driver, connection or template by name. Raises QueryError for a name that no message has."""
        known = self.labels.get((term.field, term.value))
        if known is None:
            alike = [
                pk
                for (kind, text), pk in self.labels.items()
                if kind == term.field and without_quotes(text) == term.value
            ]
            known = alike[0] if len(alike) == 1 else None
        if known is None:
            names = [text for kind, text in self.labels if kind == term.field]
            near = closest_match(term.value, names)
            near = f'"{near}"' if " " in near else near
            message = _("No message has the %(operator)s “%(name)s”.") % {"operator": term.field, "name": term.value}
            raise QueryError(message, term.start, term.end, f"{_sign(term)}{term.field}:{near}" if near else "")
        self.add_label(term.field, known, negated=term.negated)

    def add_label(self, kind: str, pk: int, *, negated: bool = False) -> None:
        """Require the driver, connection or template with this id, or its absence if `negated`."""
        condition = _has_label(kind, pk)
        if negated:
            self.row_conditions.append(~condition | Q(**{f"{kind}_id": None}))
            return
        self.label_ids.append((kind, pk))
        known_of = self.redundant_terms if kind == "template" else self.redundant_problem_terms
        known_of.append(_tag_term(label_token(kind, pk)))
        if kind != "template":
            self.candidate_filters.append(condition)

    def add_time(self, term: Term) -> None:
        """Require a time of creation before, or at and after, the one in `term`."""
        if day := term.day:
            moment = midnight(day)
        elif moment_of_day := term.moment:
            moment = in_utc(moment_of_day)
        else:
            moment = self.now - term.ago
        if (term.field == "before") != term.negated:
            self.add_before(moment)
        else:
            self.add_since(moment)

    def add_since(self, moment: datetime) -> None:
        """Require creation at `moment` or later."""
        first = first_id_since(moment)
        self.after_id = max(self.after_id or 0, LARGEST_ID if first is None else first - 1)

    def add_before(self, moment: datetime) -> None:
        """Require creation before `moment`."""
        first_after = first_id_since(moment)
        if first_after is not None:
            self.before_id = min(self.before_id or first_after, first_after)

    def add_id(self, term: Term) -> None:
        condition = Q(id=int(term.value))
        self.row_conditions.append(~condition if term.negated else condition)

    def add_incident(self, term: Term) -> None:
        """Require that the message was affected by an incident. Raises QueryError if there is no such incident."""
        incident = Incident.objects.exclude(state=Incident.State.PENDING).filter(pk=int(term.value)).first()
        if incident is None:
            message = _("There is no incident %(number)s.") % {"number": term.value}
            raise QueryError(message, term.start, term.end)
        numbers = IncidentMail.objects.filter(incident=incident).values("mail_number")
        condition = Q(id__in=numbers)
        if term.negated:
            self.row_conditions.append(~condition)
            return
        self.row_conditions.append(condition)
        self.candidate_filters.append(condition)
        self.after_id = max(self.after_id or 0, (incident.first_mail or 1) - 1)
        self.before_id = min(self.before_id or LARGEST_ID, (incident.last_mail or 0) + 1)

    def add_words(self, term: Term) -> None:
        """Require words, one after the other. Unless they are quoted, the last one may be incomplete."""
        if term.field == "actor" and term.value.lower() == SYSTEM:
            self.row_conditions.append(~Q(actor_name="") if term.negated else Q(actor_name=""))
            return
        columns: tuple[str, ...] = (INDEX_COLUMNS.get(term.field, term.field),) if term.field else TEXT_COLUMNS
        if not term.field and "@" in term.value:
            columns = ADDRESS_COLUMNS
        is_prefix = not term.quoted and ends_in_token(term.value)
        self.terms.append(
            IndexTerm(tokens=tuple(tokens(term.value)), columns=columns, is_prefix=is_prefix, negated=term.negated)
        )

    def add_flag(self, term: Term) -> None:
        """Require a flag. Test messages are few and have an index of their own."""
        if term.value == RETRIABLE:
            self.row_conditions.append(~is_retriable() if term.negated else is_retriable())
            return
        if term.value != TEST or term.negated:
            self.terms.append(_tag_term(term.value, negated=term.negated))
            return
        self.row_conditions.append(IS_TEST)
        self.redundant_terms.append(_tag_term(TEST))
        self.candidate_filters.append(IS_TEST)

    def add_tag(self, term: Term) -> None:
        self.terms.append(_tag_term(tag_token(term.value), negated=term.negated))


HANDLERS: dict[str, Callable[[Conditions, Term], None]] = {
    "tag": Conditions.add_tag,
    "id": Conditions.add_id,
    "incident": Conditions.add_incident,
    **dict.fromkeys(FLAGS, Conditions.add_flag),
}


def midnight(day: date) -> datetime:
    """Return the beginning of `day` in the current time zone, in UTC."""
    return in_utc(datetime.combine(day, time.min))


def in_utc(moment: datetime) -> datetime:
    """Return `moment` in UTC; a naive one is taken to be in the current time zone."""
    return (timezone.make_aware(moment) if moment.tzinfo is None else moment).astimezone(UTC)


def first_id_since(moment: datetime) -> int | None:
    """Return the id of the first message created at `moment` or later, from the index of creation times alone.

    Ids are in time order, so a condition on times becomes a range of ids, which combines with any other index. A
    condition on the time itself would make both databases scan the table in id order.
    """
    rows = Message.objects.filter(created_at__gte=moment).order_by("created_at", "id")
    return rows.values_list("id", flat=True).first()


def _has_label(kind: str, pk: int) -> Q:
    return Q(**{f"{kind}_id": pk})


def _rarest_first(label_ids: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return `label_ids` with the label that is rarest among recent messages in front.

    SQLite only knows the average number of messages per label: asked for a rare driver and a connection, it read all
    messages of the connection (114 ms at five million messages, none of which had both). PostgreSQL has statistics per
    label and checks the second one within the index of the first, which a hidden column would prevent.
    """

    def reach(label: tuple[str, int]) -> int:
        """Return the id down to which one must read to find `MAX_CANDIDATES` messages with `label`."""
        mails = Message.objects.filter(_has_label(*label)).order_by("-id").values_list("id", flat=True)
        return next(iter(mails[MAX_CANDIDATES : MAX_CANDIDATES + 1]), 0)

    return sorted(label_ids, key=reach)


def _tag_term(token: str, *, negated: bool = False) -> IndexTerm:
    return IndexTerm(tokens=(token,), columns=("tags",), negated=negated)


def _sign(term: Term) -> str:
    return "-" if term.negated else ""
