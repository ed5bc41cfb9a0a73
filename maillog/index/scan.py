"""Reads one page of matches from the search index, without reading more of the index than the page needs.

Neither index returns every kind of match quickly in order of ids. FTS5 first merges the entries of all tokens with the
given prefix; a GIN index has no order at all. Both scans therefore begin with the most recent entries, which is enough
for common terms. If it is not, FTS5 reads all matches in order, and PostgreSQL fetches all matches if they are few.
Decision 0008 has the measurements. This module never writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min, QuerySet
from django.db.models.expressions import RawSQL

from maillog.index.terms import IndexTerm, fts5, tsquery, whole_tokens
from maillog.index.writing import COLUMNS, TABLE
from maillog.models import Message

RECENT_ENTRIES = 20_000  # scanned without the index before the index is used
WIDEN_BY = 10  # how many times more entries are scanned if the recent ones hold a tenth of the page
MAX_FETCHED = 20_000  # matches that PostgreSQL fetches and sorts
CONTAINS = "' ' || {} || ' ' LIKE %s"
MATCHES_WITHOUT_INDEX = "ts_match_vq(tokens, %s::tsquery)"  # the function behind @@, for which no index is used


@dataclass(frozen=True, slots=True)
class IndexScan:
    """A search for the first `limit` of `rows`, between two ids, that satisfy all `terms`.

    `filters_rows` says whether `rows` has conditions of its own.
    """

    terms: Sequence[IndexTerm]
    rows: QuerySet[Message]
    filters_rows: bool
    limit: int
    before: int | None
    after: int | None
    descending: bool

    def page_from(self, candidates: Sequence[int]) -> list[int]:
        """Return the ids of the page, whose messages are all among `candidates`."""
        rows = self.rows.filter(id__in=candidates).order_by("-id" if self.descending else "id")
        ids = list(rows.values_list("id", flat=True))
        if not ids:
            return []
        id_text = ", ".join(map(str, ids))
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    f"SELECT id FROM {TABLE} WHERE id IN ({id_text}) AND {MATCHES_WITHOUT_INDEX}",  # noqa: S608
                    [tsquery(self.terms)],
                )
                matching = {pk for (pk,) in cursor.fetchall()}
            else:
                cursor.execute(f"SELECT rowid, {', '.join(COLUMNS)} FROM {TABLE} WHERE rowid IN ({id_text})")  # noqa: S608
                entries = ((row[0], dict(zip(COLUMNS, row[1:], strict=True))) for row in cursor.fetchall())
                matching = {pk for pk, texts in entries if all(term.matches(texts) for term in self.terms)}
        return [pk for pk in ids if pk in matching][: self.limit]

    def page(self) -> list[int]:
        """Return the ids of the page, whose messages may be any in the log."""
        first_id = self._first_id()
        if first_id is None:
            return []
        is_sqlite = connection.vendor == "sqlite"
        # FTS5 reads whole tokens in order anyway.
        if not is_sqlite or any(term.is_prefix or term.negated for term in self.terms):
            found = self._scan_recent(first_id)
            if found is not None:
                return found
        if is_sqlite:
            return self._scan_fts5()
        fetched = self._fetch_rare()
        return fetched if fetched is not None else self._scan_in_order()

    def _first_id(self) -> int | None:
        """Return the id of the first message that can be on the page."""
        rows = between_ids(Message.objects.order_by(), self.before, self.after)
        first: int | None = rows.aggregate(first=(Max if self.descending else Min)("id"))["first"]
        return first

    def _scan_recent(self, first_id: int) -> list[int] | None:
        """Return the page from the entries nearest to `first_id`, None if they do not fill it.

        If they hold a tenth of it, ten times as many are scanned: terms this common have too many matches to merge.
        """
        found: list[int] = []
        for size in (RECENT_ENTRIES, WIDEN_BY * RECENT_ENTRIES):
            low, high = (first_id - size, first_id + 1) if self.descending else (first_id - 1, first_id + size)
            low, high = max(low, self.after or 0), min(high, self.before or high)
            part = replace(self, limit=self.limit - len(found))
            found += part._scan_range(high, low)  # noqa: SLF001  (an object of this class)
            is_complete = low == (self.after or 0) if self.descending else high == self.before
            if len(found) == self.limit or is_complete:
                return found
            if len(found) * WIDEN_BY < self.limit or not self._should_widen():
                break
            first_id = low if self.descending else high
        return None

    def _should_widen(self) -> bool:
        """Return whether scanning many entries is quicker than using the index.

        Not on SQLite for a single term, which is rare if the recent entries did not fill the page, and not without two
        letters to look up (measured at 200,000 entries: for a prefix of one letter 240 ms instead of 60).
        """
        if connection.vendor == "postgresql":
            return True
        return (len(self.terms) > 1 or self.filters_rows) and any(
            not term.negated and term.indexed_prefix() for term in self.terms
        )

    def _scan_range(self, before: int, after: int) -> list[int]:
        """Return the page from the entries between two ids."""
        if connection.vendor == "postgresql":
            return self._run("id", MATCHES_WITHOUT_INDEX, [tsquery(self.terms)], before, after)
        indexed = [shorter for term in self.terms if not term.negated and (shorter := term.indexed_prefix())]
        return self._run_fts5(indexed, [term for term in self.terms if term not in indexed], before, after)

    def _scan_fts5(self) -> list[int]:
        """Return the page from all matches in order. SQLite.

        A prefix of a single token is looked up in full: merging its entries takes time, but a term that comes here is
        rare. Beside a rare number, all other terms are only compared.
        """
        in_full = not any(term.has_rare_number for term in self.terms)
        indexed = [
            term if term.negated or (in_full and len(term.tokens) == 1) else term.indexed_prefix() or term
            for term in self.terms
        ]
        compared = [term for term, shorter in zip(self.terms, indexed, strict=True) if shorter is not term]
        return self._run_fts5(indexed, compared, self.before, self.after)

    def _run_fts5(
        self, indexed: Sequence[IndexTerm], compared: Sequence[IndexTerm], before: int | None, after: int | None
    ) -> list[int]:
        condition, values = f"{TABLE} MATCH %s", [fts5(indexed)]
        for term in compared:
            likes = " OR ".join(CONTAINS.format(name) for name in term.columns)
            condition += f" AND {'NOT ' if term.negated else ''}({likes})"
            values += [term.like_pattern()] * len(term.columns)
        return self._run("rowid", condition, values, before, after)

    def _fetch_rare(self) -> list[int] | None:
        """Return the page from all matches fetched at once, None if there are too many. PostgreSQL.

        Long numbers are looked up without the other terms first: merging the entries of all tokens with a prefix
        ("order", as it is typed) takes longer than checking the few messages with the number.
        """
        required = [term for term in self.terms if not term.negated]
        numbers = [term for term in required if term.has_rare_number]
        if 0 < len(numbers) < len(required) and (found := self._fetch(numbers)) is not None:
            return found
        return self._fetch(required) if required else None

    def _fetch(self, required: Sequence[IndexTerm]) -> list[int] | None:
        """Return the page from all messages that satisfy `required`, None if there are too many. PostgreSQL."""
        bounds, values = self._bounds("id", self.before, self.after)
        exists, more = self._exists("matching.id", self.before, self.after)
        order = "DESC" if self.descending else "ASC"
        # The index is asked for the whole tokens of a phrase only, since a prefix costs what all its tokens cost. The
        # matches are materialized and counted before anything else is read: otherwise the planner would read the rows
        # in order, and too many matches would be sorted in vain.
        sql = (
            f"WITH matching AS MATERIALIZED (SELECT id, tokens FROM {TABLE} WHERE tokens @@ %s::tsquery{bounds}"  # noqa: S608
            f" LIMIT {MAX_FETCHED + 1}),"
            f" page AS (SELECT id FROM matching WHERE (SELECT count(*) FROM matching) <= {MAX_FETCHED}"
            f" AND {MATCHES_WITHOUT_INDEX}{exists}"
            f" ORDER BY id {order} LIMIT %s)"
            " SELECT id, (SELECT count(*) FROM matching) FROM page UNION ALL SELECT 0, (SELECT count(*) FROM matching)"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [tsquery(whole_tokens(required)), *values, tsquery(self.terms), *more, self.limit])
            found = cursor.fetchall()
        if found[-1][1] > MAX_FETCHED:
            return None
        return sorted((pk for pk, _ in found if pk), reverse=self.descending)

    def _scan_in_order(self) -> list[int]:
        """Return the page by checking row after row. PostgreSQL."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            return self._run("id", MATCHES_WITHOUT_INDEX, [tsquery(self.terms)], self.before, self.after)

    def _run(self, key: str, condition: str, given: Sequence[str], before: int | None, after: int | None) -> list[int]:
        bounds, values = self._bounds(key, before, after)
        exists, more = self._exists(f"{TABLE}.{key}", before, after)
        order = "DESC" if self.descending else "ASC"
        sql = f"SELECT {key} FROM {TABLE} WHERE {condition}{bounds}{exists} ORDER BY {key} {order} LIMIT %s"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(sql, [*given, *values, *more, self.limit])
            return [pk for (pk,) in cursor.fetchall()]

    @staticmethod
    def _bounds(key: str, before: int | None, after: int | None) -> tuple[str, list[Any]]:
        bounds = [(f"{key} < %s", before), (f"{key} > %s", after)]
        given = [(text, value) for text, value in bounds if value is not None]
        return "".join(f" AND {text}" for text, _ in given), [value for _, value in given]

    def _exists(self, key: str, before: int | None, after: int | None) -> tuple[str, list[Any]]:
        """Return the condition that the message is among `rows`, empty if `rows` has no conditions."""
        if not self.filters_rows:
            return "", []
        rows = between_ids(self.rows, before, after).filter(id=RawSQL(key, ())).order_by()  # noqa: S611  (our own name)
        sql, values = rows.select_related(None).values("id").query.sql_with_params()
        return f" AND EXISTS ({sql})", list(values)


def between_ids(rows: QuerySet[Message], before: int | None, after: int | None) -> QuerySet[Message]:
    """Return `rows` with an id below `before` and above `after`; None is no bound."""
    if before is not None:
        rows = rows.filter(id__lt=before)
    return rows if after is None else rows.filter(id__gt=after)
