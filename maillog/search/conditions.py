"""What a query asks of the database: names become labels, times ranges of ids, words are left to the index."""

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
from maillog.search.query import FLAGS, LARGEST_ID, NAMES, TIMES, Query, QueryError, Term, closest_match, without_quotes
from maillog.search.results import MAX_CANDIDATES, NOT_SENT, SearchResult

Labels = Mapping[tuple[str, str], int]  # (kind, text) -> id

INDEX_COLUMNS = {"to": "recipients", "from": "sender"}  # what an operator's part of the mail is called in the index
ADDRESS_COLUMNS = tuple(name for name in TEXT_COLUMNS if name != "subject")
SYSTEM = "system"
TEST = "test"
IS_TEST = Q(is_test=True)


class Unindexed(Func):
    """A column by which SQLite must not look rows up: a sign in front hides its indexes."""

    template = "+%(expressions)s"


@dataclass(slots=True)
class Conditions:
    """What must hold, gathered term by term, from the fields of the page as well."""

    labels: Labels
    now: datetime = field(default_factory=timezone.now)  # from which "after:2h" counts back
    of_rows: list[Q] = field(default_factory=list)
    named: list[tuple[str, int]] = field(default_factory=list)  # (kind, id) of labels that the mail must have
    wanted: list[IndexTerm] = field(default_factory=list)
    also_wanted: list[IndexTerm] = field(
        default_factory=list
    )  # what the rows say too, for when the index is asked anyway
    of_trouble: list[IndexTerm] = field(default_factory=list)  # the same, but only entries of mails in trouble know it
    ways: list[Q] = field(default_factory=list)
    states: list[str] = field(default_factory=list)  # several, none of them "sent", of which one must be the mail's
    above: int | None = None
    below: int | None = None

    def found_in(self, rows: QuerySet[Message]) -> SearchResult:
        """Return what of `rows` holds all of it."""
        for condition in self.of_rows:
            rows = rows.filter(condition)
        named = self.named
        if len(named) > 1 and not self.wanted and connection.vendor == "sqlite":
            first, *others = _rarest_first(named)
            named = [first]
            for kind, pk in others:
                rows = rows.filter(Exact(Unindexed(F(f"{kind}_id")), pk))
        for kind, pk in named:
            rows = rows.filter(_has_label(kind, pk))
        wanted = [*self.wanted, *self.also_wanted] if self.wanted else []
        if any(one.tells_of_trouble for one in wanted):
            wanted += self.of_trouble
        return SearchResult(rows, tuple(wanted), tuple(self.ways), tuple(self.states), self.above, self.below)

    def want(self, query: Query) -> None:
        """Add all terms of `query`. Raises QueryError for a name that no mail has."""
        for term in query.terms:
            if term.field == "status":
                self.statuses(term.values, negated=term.negated)
            elif term.field in NAMES:
                self.label(term)
            elif term.field in TIMES:
                self.time(term)
            elif term.says_something:
                HANDLERS.get(term.field, Conditions.words)(self, term)

    def statuses(self, statuses: list[str], *, negated: bool = False) -> None:
        """Add that the state is one of `statuses`."""
        if negated and Status.SENT in statuses:  # what is left has an index of its own, see below
            statuses, negated = [status for status in Status.values if status not in statuses] or [""], False
        one_of = Q(status=statuses[0]) if len(statuses) == 1 else Q(status__in=statuses)
        if negated:
            self.of_rows.append(~one_of)
            return
        self.of_rows.append(one_of)
        if Status.SENT in statuses:
            return
        self.of_rows.append(NOT_SENT)
        if len(statuses) > 1:
            self.states = list(statuses)
            return
        self.ways.append(one_of & NOT_SENT)
        if statuses[0] in PROBLEM_STATUSES:
            self.also_wanted.append(_tag_term(statuses[0]))

    def label(self, term: Term) -> None:
        """Add that the driver, the connection or the template has this name."""
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
            message = _("No mail has the %(operator)s “%(name)s”.") % {"operator": term.field, "name": term.value}
            raise QueryError(message, term.start, term.end, f"{_sign(term)}{term.field}:{near}" if near else "")
        self.label_id(term.field, known, negated=term.negated)

    def label_id(self, kind: str, pk: int, *, negated: bool = False) -> None:
        """Add that the driver, the connection or the template is this one."""
        condition = _has_label(kind, pk)
        if negated:
            self.of_rows.append(~condition | Q(**{f"{kind}_id": None}))
            return
        self.named.append((kind, pk))
        known_of = self.also_wanted if kind == "template" else self.of_trouble
        known_of.append(_tag_term(label_token(kind, pk)))
        if kind != "template":
            self.ways.append(condition)

    def time(self, term: Term) -> None:
        """Add that mails were made before a time, or at it and after."""
        if day := term.day:
            moment = midnight(day)
        elif moment_of_day := term.moment:
            moment = in_utc(moment_of_day)
        else:
            moment = self.now - term.ago
        if (term.field == "before") != term.negated:
            self.before(moment)
        else:
            self.since(moment)

    def since(self, moment: datetime) -> None:
        """Add that mails were made at `moment` or later."""
        first = first_id_since(moment)
        self.above = max(self.above or 0, LARGEST_ID if first is None else first - 1)

    def before(self, moment: datetime) -> None:
        """Add that mails were made before `moment`."""
        first_after = first_id_since(moment)
        if first_after is not None:
            self.below = min(self.below or first_after, first_after)

    def number(self, term: Term) -> None:
        """Add which mail it is."""
        condition = Q(id=int(term.value))
        self.of_rows.append(~condition if term.negated else condition)

    def incident(self, term: Term) -> None:
        """Add which incident the mails met. Raises QueryError if there is none of that number."""
        incident = Incident.objects.exclude(state=Incident.State.PENDING).filter(pk=int(term.value)).first()
        if incident is None:
            message = _("There is no incident %(number)s.") % {"number": term.value}
            raise QueryError(message, term.start, term.end)
        numbers = IncidentMail.objects.filter(incident=incident).values("mail_number")
        condition = Q(id__in=numbers)
        if term.negated:
            self.of_rows.append(~condition)
            return
        self.of_rows.append(condition)
        self.ways.append(condition)
        self.above = max(self.above or 0, (incident.first_mail or 1) - 1)
        self.below = min(self.below or LARGEST_ID, (incident.last_mail or 0) + 1)

    def words(self, term: Term) -> None:
        """Add words: one after the other, the last of them perhaps only begun, unless they are quoted."""
        if term.field == "actor" and term.value.lower() == SYSTEM:
            self.of_rows.append(~Q(actor_name="") if term.negated else Q(actor_name=""))
            return
        columns: tuple[str, ...] = (INDEX_COLUMNS.get(term.field, term.field),) if term.field else TEXT_COLUMNS
        if not term.field and "@" in term.value:
            columns = ADDRESS_COLUMNS
        open_end = not term.quoted and ends_in_token(term.value)
        self.wanted.append(
            IndexTerm(words=tuple(tokens(term.value)), columns=columns, open_end=open_end, negated=term.negated)
        )

    def flag(self, term: Term) -> None:
        """Add a yes or no of the mail. Few are tests, which have an index of their own."""
        if term.value != TEST or term.negated:
            self.wanted.append(_tag_term(term.value, negated=term.negated))
            return
        self.of_rows.append(IS_TEST)
        self.also_wanted.append(_tag_term(TEST))
        self.ways.append(IS_TEST)

    def tag(self, term: Term) -> None:
        """Add a tag that the mail was given, as a whole."""
        self.wanted.append(_tag_term(tag_token(term.value), negated=term.negated))


HANDLERS: dict[str, Callable[[Conditions, Term], None]] = {
    "tag": Conditions.tag,
    "id": Conditions.number,
    "incident": Conditions.incident,
    **dict.fromkeys(FLAGS, Conditions.flag),
}


def midnight(day: date) -> datetime:
    """Return the first moment of `day` in the time zone in force, in UTC."""
    return in_utc(datetime.combine(day, time.min))


def in_utc(moment: datetime) -> datetime:
    """Return `moment` in UTC; one without a time zone is of the zone in force."""
    return (timezone.make_aware(moment) if moment.tzinfo is None else moment).astimezone(UTC)


def first_id_since(moment: datetime) -> int | None:
    """Return the id of the first mail made at `moment` or later, from the index of times alone.

    Ids are in time order, so every question about times becomes a range of ids, which goes with any other index;
    a condition on the time itself would scan the table in id order on both engines.
    """
    rows = Message.objects.filter(created_at__gte=moment).order_by("created_at", "id")
    return rows.values_list("id", flat=True).first()


def _has_label(kind: str, pk: int) -> Q:
    return Q(**{f"{kind}_id": pk})


def _rarest_first(named: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return `named` with the label that fewest mails have, among the newest, in front.

    SQLite knows how many mails a label has on average only: asked for a driver that is seldom and a connection, it read
    all mails of the connection (114 ms at five million mails, where none has both). PostgreSQL knows better, and looks
    for the second name within the index of the first, which a hidden column would prevent.
    """

    def reach(label: tuple[str, int]) -> int:
        """Return how far back one must look for `FEW` mails, as an id."""
        mails = Message.objects.filter(_has_label(*label)).order_by("-id").values_list("id", flat=True)
        return next(iter(mails[MAX_CANDIDATES : MAX_CANDIDATES + 1]), 0)

    return sorted(named, key=reach)


def _tag_term(word: str, *, negated: bool = False) -> IndexTerm:
    return IndexTerm(words=(word,), columns=("tags",), negated=negated)


def _sign(term: Term) -> str:
    return "-" if term.negated else ""
