"""The messages that a search matches, page by page, from the rows, the search index or both.

Pages are read in order of ids, and reading stops when the page is full. Where that would read too far, it goes the
other way round: if few messages are candidates (those in a rare status, say), they are read first and checked one by
one. This module never writes.
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

NOT_SENT = ~Q(status=Status.SENT)  # the condition of a partial index, which SQLite uses only if the query repeats it
MAX_CANDIDATES = 1_000  # that are checked one by one


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The messages among `rows` that satisfy all `terms` of the index, with ids between `after_id` and `before_id`.

    Both bounds are exclusive; times have become ranges of ids. Each of `candidate_filters` alone holds for every match,
    and is worth evaluating first if few messages satisfy it. `statuses` are two or more, not including "sent", that
    `rows` is limited to.
    """

    rows: QuerySet[Message]
    terms: tuple[IndexTerm, ...] = ()
    candidate_filters: tuple[Q, ...] = ()
    statuses: tuple[str, ...] = ()
    after_id: int | None = None
    before_id: int | None = None

    def page(self, limit: int, *, before: int | None = None, after: int | None = None) -> list[Message]:
        """Return the newest `limit` messages between two ids, newest first."""
        return self._page(limit, before, after, descending=True)

    def oldest(self, limit: int, *, before: int | None = None, after: int | None = None) -> list[Message]:
        """Return the oldest `limit` messages between two ids, oldest first."""
        return self._page(limit, before, after, descending=False)

    def batches(self, size: int) -> Iterator[list[int]]:
        """Yield the ids of all matches, newest first, `size` at a time; each batch is a search of its own."""
        before = None
        while ids := self._ids(size, *self._bounds(before, None), descending=True):
            yield ids
            if len(ids) < size:
                return
            before = ids[-1]

    def count(self) -> int:
        """Return the exact number of matches."""
        return self.queryset().order_by().count()

    def queryset(self) -> QuerySet[Message]:
        """Return all matches as one queryset, for counting. Slower than pages."""
        rows = between_ids(self.rows, self.before_id, self.after_id)
        if not self.terms:
            return rows
        sql = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608
        if connection.vendor == "postgresql":
            sql = f"SELECT id FROM {TABLE} WHERE tokens @@ %s::tsquery"  # noqa: S608
        return rows.filter(id__in=RawSQL(sql, [match_expression(self.terms)]))  # noqa: S611

    def _page(self, limit: int, before: int | None, after: int | None, *, descending: bool) -> list[Message]:
        before, after = self._bounds(before, after)
        if not self.terms and not self.statuses:
            return _first_rows(self.rows, before, after, limit, descending=descending)
        ids = self._ids(limit, before, after, descending=descending)
        found = {mail.pk: mail for mail in load_objects(self.rows.filter(id__in=ids))}
        return [found[pk] for pk in ids if pk in found]

    def _bounds(self, before: int | None, after: int | None) -> tuple[int | None, int | None]:
        return (
            min((bound for bound in (before, self.before_id) if bound is not None), default=None),
            max((bound for bound in (after, self.after_id) if bound is not None), default=None),
        )

    def _ids(self, limit: int, before: int | None, after: int | None, *, descending: bool) -> list[int]:
        rows = between_ids(self.rows, before, after)
        if not self.terms and self.statuses:
            return self._ids_with_statuses(rows, limit, descending=descending)
        if not self.terms:
            return list(rows.order_by("-id" if descending else "id").values_list("id", flat=True)[:limit])
        scan = IndexScan(self.terms, rows, bool(self.rows.query.where), limit, before, after, descending)
        candidates = self._few_candidates()
        return scan.page() if candidates is None else scan.page_from(candidates)

    def _ids_with_statuses(self, rows: QuerySet[Message], limit: int, *, descending: bool) -> list[int]:
        """Return the page as the merged pages of each status; one query for all would sort every match.

        Django compiles the statement once: doing so for each of ten statuses took longer than the query itself.
        """
        status = Placeholder(0)
        one_status = rows.filter(status=Value(status)).order_by("-id" if descending else "id").select_related(None)
        sql, params = one_status.values("id")[:limit].query.sql_with_params()
        parts = [f"SELECT id FROM ({sql}) AS status{number}" for number in range(len(self.statuses))]  # noqa: S608
        values = [each if param is status else param for each in self.statuses for param in params]
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            ids = sorted((pk for (pk,) in cursor.fetchall()), reverse=descending)
        return ids[:limit]

    def _few_candidates(self) -> list[int] | None:
        """Return the ids of all candidates if some condition leaves no more than `MAX_CANDIDATES`, else None."""
        if self.statuses:
            ids = self._ids_with_statuses(Message.objects.filter(NOT_SENT), MAX_CANDIDATES + 1, descending=True)
            if len(ids) <= MAX_CANDIDATES:
                return ids
        for condition in self.candidate_filters:
            # Ordered as the indexes of these conditions are: unordered, PostgreSQL reads the table for a common value.
            newest = Message.objects.filter(condition).order_by("-id").values_list("id", flat=True)
            ids = list(newest[: MAX_CANDIDATES + 1])
            if len(ids) <= MAX_CANDIDATES:
                return ids
        return None


_UNFILTERED: dict[Hashable, PreparedQuery[Message]] = {}


def _first_rows(
    rows: QuerySet[Message], before: int | None, after: int | None, limit: int, *, descending: bool
) -> list[Message]:
    """Return the first `limit` of `rows` between two ids. Pages without a filter, the most common, are prepared."""

    def between(before: Any, after: Any) -> QuerySet[Message]:
        return between_ids(rows, before, after).order_by("-id" if descending else "id")[:limit]

    if rows.query.where or rows.query.select_related:
        return load_objects(between(before, after))
    columns, is_deferred = rows.query.deferred_loading
    shape = (frozenset(columns), is_deferred, before is None, after is None, limit, descending)
    if shape not in _UNFILTERED:
        _UNFILTERED[shape] = PreparedQuery(
            lambda *bounds: between(None if before is None else bounds[0], None if after is None else bounds[-1])
        )
    return _UNFILTERED[shape].all(*(bound for bound in (before, after) if bound is not None))
