"""Finds one page in the search index without ever reading more of it than it must.

Neither index is quick at everything in the order of ids: FTS5 first puts together all mails that have any of the words
which begin as asked, PostgreSQL has no order at all. So both look at the newest entries first, which is enough for
whatever is common; then FTS5 walks, and PostgreSQL fetches all that match a rare word. Never writes.
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

RECENT_ENTRIES = 20_000  # newest entries that are looked at before the index is asked
WIDEN_BY = 10  # windows more that are looked at, if one of them is likely to end the page
MAX_FETCHED = 20_000  # matches that PostgreSQL fetches to sort them
CONTAINS = "' ' || {} || ' ' LIKE %s"
MATCHES_WITHOUT_INDEX = "ts_match_vq(words, %s::tsquery)"  # not @@, which would ask the index


@dataclass(frozen=True, slots=True)
class IndexScan:
    """One page to be found: the `count` first of `rows` with all that is `wanted`, between two ids."""

    wanted: Sequence[IndexTerm]
    rows: QuerySet[Message]
    only_some_rows: bool  # whether `rows` says more than where the page lies
    count: int
    before: int | None
    after: int | None
    descending: bool

    def among(self, few: Sequence[int]) -> list[int]:
        """Return the page of those of `few` that match."""
        rows = self.rows.filter(id__in=few).order_by("-id" if self.descending else "id")
        ids = list(rows.values_list("id", flat=True))
        if not ids:
            return []
        chosen = ", ".join(map(str, ids))
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    f"SELECT id FROM {TABLE} WHERE id IN ({chosen}) AND ts_match_vq(words, %s::tsquery)",  # noqa: S608
                    [tsquery(self.wanted)],
                )
                matching = {pk for (pk,) in cursor.fetchall()}
            else:
                cursor.execute(f"SELECT rowid, {', '.join(COLUMNS)} FROM {TABLE} WHERE rowid IN ({chosen})")  # noqa: S608
                entries = ((row[0], dict(zip(COLUMNS, row[1:], strict=True))) for row in cursor.fetchall())
                matching = {pk for pk, texts in entries if all(one.is_in(texts) for one in self.wanted)}
        return [pk for pk in ids if pk in matching][: self.count]

    def ids(self) -> list[int]:
        """Return the page of all that match."""
        edge = self._edge()
        if edge is None:
            return []
        is_sqlite = connection.vendor == "sqlite"
        if not is_sqlite or any(one.open_end or one.negated for one in self.wanted):  # whole words FTS5 simply walks
            found = self._newest(edge)
            if found is not None:
                return found
        if is_sqlite:
            return self._walk_fts5()
        rare = self._rare()
        return rare if rare is not None else self._in_order()

    def _newest(self, edge: int) -> list[int] | None:
        """Return the page by looking at the first entries from `edge` on, None if that does not fill it.

        Where they hold a tenth of it, ten times as many more are looked at: to put together all that match first would
        be in vain for what is so common.
        """
        found: list[int] = []
        for size in (RECENT_ENTRIES, WIDEN_BY * RECENT_ENTRIES):
            low, high = (edge - size, edge + 1) if self.descending else (edge - 1, edge + size)
            low, high = max(low, self.after or 0), min(high, self.before or high)
            found += replace(self, count=self.count - len(found))._look(high, low)  # noqa: SLF001  (it is of this class)
            is_all = low == (self.after or 0) if self.descending else high == self.before
            if len(found) == self.count or is_all:
                return found
            if len(found) * WIDEN_BY < self.count or not self._may_go_on():
                break
            edge = low if self.descending else high
        return None

    def _may_go_on(self) -> bool:
        """Return whether the index does not answer sooner than a look at many entries.

        On SQLite it does for a word alone, which few mails have if it did not fill the page, and where there are no two
        letters to walk by (measured at 200,000 entries: a begun word of one letter took 240 ms instead of 60).
        """
        if connection.vendor == "postgresql":
            return True
        return (len(self.wanted) > 1 or self.only_some_rows) and any(
            not one.negated and one.begun() for one in self.wanted
        )

    def _look(self, before: int, after: int) -> list[int]:
        """Return the page by looking at the entries between two ids."""
        if connection.vendor == "postgresql":
            return self._run("id", MATCHES_WITHOUT_INDEX, [tsquery(self.wanted)], before, after)
        begun = [shorter for one in self.wanted if not one.negated and (shorter := one.begun())]
        return self._run_fts5(begun, [one for one in self.wanted if one not in begun], before, after)

    def _walk_fts5(self) -> list[int]:
        """Return the page by walking all that match. SQLite.

        To put together all mails of the words that begin as a single one takes long, and is worth it for what is rare.
        Beside a number that few mails have, it is quicker to look at those.
        """
        whole = not any(one.has_number for one in self.wanted)
        walked = [one if one.negated or (whole and len(one.words) == 1) else one.begun() or one for one in self.wanted]
        looked_at = [one for one, shorter in zip(self.wanted, walked, strict=True) if shorter is not one]
        return self._run_fts5(walked, looked_at, self.before, self.after)

    def _run_fts5(
        self, walked: Sequence[IndexTerm], looked_at: Sequence[IndexTerm], before: int | None, after: int | None
    ) -> list[int]:
        condition, values = f"{TABLE} MATCH %s", [fts5(walked)]
        for one in looked_at:
            likes = " OR ".join(CONTAINS.format(name) for name in one.columns)
            condition += f" AND {'NOT ' if one.negated else ''}({likes})"
            values += [one.pattern()] * len(one.columns)
        return self._run("rowid", condition, values, before, after)

    def _edge(self) -> int | None:
        """Return the id at which the page begins at the earliest."""
        rows = between_ids(Message.objects.order_by(), self.before, self.after)
        edge: int | None = rows.aggregate(edge=(Max if self.descending else Min)("id"))["edge"]
        return edge

    def _rare(self) -> list[int] | None:
        """Return the page of all matches together, None if there are too many of them. PostgreSQL.

        The index is asked for long numbers alone first: to put together all mails with a word that begins as asked
        ("order" as it is typed) takes longer than to look at those few that have the number.
        """
        sure = [one for one in self.wanted if not one.negated]
        numbers = [one for one in sure if one.has_number]
        if 0 < len(numbers) < len(sure) and (found := self._fetched(numbers)) is not None:
            return found
        return self._fetched(sure) if sure else None

    def _fetched(self, sure: Sequence[IndexTerm]) -> list[int] | None:
        """Return the page by fetching all that have what is `sure`, None if too many have. PostgreSQL."""
        bounds, values = self._bounds("id", self.before, self.after)
        exists, more = self._exists("matching.id", self.before, self.after)
        order = "DESC" if self.descending else "ASC"
        # Of a phrase, the index is asked for whole words only: an open end costs what all words that begin so do.
        # What it finds is counted before anything else is looked at, or the planner would walk the rows in order; if it
        # is too much, nothing else is.
        sql = (
            f"WITH matching AS MATERIALIZED (SELECT id, words FROM {TABLE} WHERE words @@ %s::tsquery{bounds}"  # noqa: S608
            f" LIMIT {MAX_FETCHED + 1}),"
            f" page AS (SELECT id FROM matching WHERE (SELECT count(*) FROM matching) <= {MAX_FETCHED}"
            f" AND ts_match_vq(words, %s::tsquery){exists}"
            f" ORDER BY id {order} LIMIT %s)"
            " SELECT id, (SELECT count(*) FROM matching) FROM page UNION ALL SELECT 0, (SELECT count(*) FROM matching)"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [tsquery(whole_tokens(sure)), *values, tsquery(self.wanted), *more, self.count])
            found = cursor.fetchall()
        if found[-1][1] > MAX_FETCHED:
            return None
        return sorted((pk for pk, _ in found if pk), reverse=self.descending)

    def _in_order(self) -> list[int]:
        """Return the page by looking at one row after the other. PostgreSQL."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            return self._run("id", MATCHES_WITHOUT_INDEX, [tsquery(self.wanted)], self.before, self.after)

    def _run(self, key: str, condition: str, given: Sequence[str], before: int | None, after: int | None) -> list[int]:
        bounds, values = self._bounds(key, before, after)
        exists, more = self._exists(f"{TABLE}.{key}", before, after)
        order = "DESC" if self.descending else "ASC"
        sql = f"SELECT {key} FROM {TABLE} WHERE {condition}{bounds}{exists} ORDER BY {key} {order} LIMIT %s"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(sql, [*given, *values, *more, self.count])
            return [pk for (pk,) in cursor.fetchall()]

    @staticmethod
    def _bounds(key: str, before: int | None, after: int | None) -> tuple[str, list[Any]]:
        bounds = [(f"{key} < %s", before), (f"{key} > %s", after)]
        given = [(text, value) for text, value in bounds if value is not None]
        return "".join(f" AND {text}" for text, _ in given), [value for _, value in given]

    def _exists(self, key: str, before: int | None, after: int | None) -> tuple[str, list[Any]]:
        """Return the condition that the row, too, is as it must be; nothing if every row will do."""
        if not self.only_some_rows:
            return "", []
        rows = between_ids(self.rows, before, after).filter(id=RawSQL(key, ())).order_by()  # noqa: S611  (a name of ours)
        sql, values = rows.select_related(None).values("id").query.sql_with_params()
        return f" AND EXISTS ({sql})", list(values)


def between_ids(rows: QuerySet[Message], before: int | None, after: int | None) -> QuerySet[Message]:
    """Return those of `rows` whose ids lie between two, both excluded; None is no bound."""
    if before is not None:
        rows = rows.filter(id__lt=before)
    return rows if after is None else rows.filter(id__gt=after)
