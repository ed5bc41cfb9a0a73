"""Which mails a search found, page by page, from the rows, the search index or both.

Pages are walked in the order of ids, and the walk ends when a page is full. What cannot be walked is turned round: few
candidates (a connection that few mails took, a state that few are in) are read first and looked at one by one. Never
writes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Value
from django.db.models.expressions import RawSQL

from maillog.index.scan import IndexScan, between_ids
from maillog.index.terms import IndexTerm, match_expression
from maillog.index.writing import TABLE
from maillog.models import Message, Status
from maillog.sql.prepared import Placeholder, PreparedQuery, load_objects

NOT_SENT = ~Q(status=Status.SENT)  # has an index of its own, which SQLite takes only if the query repeats this
MAX_CANDIDATES = 1_000  # candidates that are looked at one by one


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found: `rows` for what the rows say, `wanted` for the index, `ways` to few candidates.

    `states` are several, none of them "sent", of which `rows` says that a mail has one. All of it lies between the ids
    `above` and `below`, both excluded: times are ranges of ids.
    """

    rows: QuerySet[Message]
    wanted: tuple[IndexTerm, ...] = ()
    ways: tuple[Q, ...] = ()
    states: tuple[str, ...] = ()
    above: int | None = None
    below: int | None = None

    def page(self, count: int, *, before: int | None = None, after: int | None = None) -> list[Message]:
        """Return the `count` newest mails between two ids, newest first."""
        return self._page(count, before, after, descending=True)

    def oldest(self, count: int, *, before: int | None = None, after: int | None = None) -> list[Message]:
        """Return the `count` oldest mails between two ids, oldest first."""
        return self._page(count, before, after, descending=False)

    def batches(self, size: int) -> Iterator[list[int]]:
        """Yield the ids of all that was found, newest first, `size` at a time; each batch is a search of its own."""
        before = None
        while ids := self._ids(size, *self._within(before, None), descending=True):
            yield ids
            if len(ids) < size:
                return
            before = ids[-1]

    def count(self) -> int:
        """Return how many mails were found, exactly."""
        return self.everything().order_by().count()

    def everything(self) -> QuerySet[Message]:
        """Return all that was found as one queryset, for counting; slower than pages."""
        rows = between_ids(self.rows, self.below, self.above)
        if not self.wanted:
            return rows
        sql = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608
        if connection.vendor == "postgresql":
            sql = f"SELECT id FROM {TABLE} WHERE words @@ %s::tsquery"  # noqa: S608
        return rows.filter(id__in=RawSQL(sql, [match_expression(self.wanted)]))  # noqa: S611

    def _page(self, count: int, before: int | None, after: int | None, *, descending: bool) -> list[Message]:
        before, after = self._within(before, after)
        if not self.wanted and not self.states:
            return _first_rows(self.rows, before, after, count, descending=descending)
        ids = self._ids(count, before, after, descending=descending)
        found = {mail.pk: mail for mail in load_objects(self.rows.filter(id__in=ids))}
        return [found[pk] for pk in ids if pk in found]

    def _within(self, before: int | None, after: int | None) -> tuple[int | None, int | None]:
        return (
            min((bound for bound in (before, self.below) if bound is not None), default=None),
            max((bound for bound in (after, self.above) if bound is not None), default=None),
        )

    def _ids(self, count: int, before: int | None, after: int | None, *, descending: bool) -> list[int]:
        rows = between_ids(self.rows, before, after)
        if not self.wanted and self.states:
            return self._ids_of_states(rows, count, descending=descending)
        if not self.wanted:
            return list(rows.order_by("-id" if descending else "id").values_list("id", flat=True)[:count])
        few = self._few()
        walk = IndexScan(self.wanted, rows, bool(self.rows.query.where), count, before, after, descending)
        return walk.ids() if few is None else walk.among(few)

    def _ids_of_states(self, rows: QuerySet[Message], count: int, *, descending: bool) -> list[int]:
        """Return the page of mails in one of several states: the page of each, merged. Else all of them were sorted.

        Django writes the statement once: to do so for each of ten states took longer than to find the mails.
        """
        state = Placeholder(0)
        each = rows.filter(status=Value(state)).order_by("-id" if descending else "id").select_related(None)
        sql, given = each.values("id")[:count].query.sql_with_params()
        parts = [f"SELECT id FROM ({sql}) AS state{number}" for number in range(len(self.states))]  # noqa: S608
        values = [one if value is state else value for one in self.states for value in given]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            ids = sorted((pk for (pk,) in cursor.fetchall()), reverse=descending)
        return ids[:count]

    def _few(self) -> list[int] | None:
        """Return all candidates of the shortest way if there is a short one."""
        if self.states:
            ids = self._ids_of_states(Message.objects.filter(NOT_SENT), MAX_CANDIDATES + 1, descending=True)
            if len(ids) <= MAX_CANDIDATES:
                return ids
        for way in self.ways:
            # In order, which the indexes of ways have anyway: else PostgreSQL reads the table for what is common.
            ids = list(Message.objects.filter(way).order_by("-id").values_list("id", flat=True)[: MAX_CANDIDATES + 1])
            if len(ids) <= MAX_CANDIDATES:
                return ids
        return None


_UNFILTERED: dict[Hashable, PreparedQuery[Message]] = {}


def _first_rows(
    rows: QuerySet[Message], before: int | None, after: int | None, count: int, *, descending: bool
) -> list[Message]:
    """Return the first `count` of `rows` between two ids; the statement of most pages, for all mails, is kept."""

    def part(before: Any, after: Any) -> QuerySet[Message]:
        return between_ids(rows, before, after).order_by("-id" if descending else "id")[:count]

    if rows.query.where or rows.query.select_related:
        return load_objects(part(before, after))
    columns, left_out = rows.query.deferred_loading
    kind = (frozenset(columns), left_out, before is None, after is None, count, descending)
    if kind not in _UNFILTERED:
        _UNFILTERED[kind] = PreparedQuery(
            lambda *bounds: part(None if before is None else bounds[0], None if after is None else bounds[-1])
        )
    return _UNFILTERED[kind].all(*(bound for bound in (before, after) if bound is not None))
