"""Which mails the search index knows for what is wanted, page by page, without ever reading more than it must.

Pages are walked in the order of ids, and the walk ends when a page is full. What cannot be walked is turned round: few
candidates (a connection that few mails took, a state that few are in) are read first and looked at one by one. Neither
index is quick at everything in that order: FTS5 first puts together all mails that have any of the words which begin as
asked, PostgreSQL has no order at all. So both look at the newest entries first, which is enough for whatever is common;
then FTS5 walks, and PostgreSQL fetches all that match a rare word. Never writes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min, Q, QuerySet
from django.db.models.expressions import RawSQL

from maillog.indexing import COLUMNS, MARKS, SEARCHED, TABLE, TROUBLE, WEIGHTS
from maillog.models import Message
from prepared import Prepared, objects

FEW = 1_000  # candidates that are looked at one by one
WINDOW = 20_000  # newest entries that are looked at before the index is asked
FURTHER = 10  # windows more that PostgreSQL looks at, if one of them is likely to end the page
MOST_FETCHED = 20_000  # matches that PostgreSQL fetches to sort them
LONG = 5  # digits of a number that few mails have; years have four
LIKE = "' ' || {} || ' ' LIKE %s"
MATCHES = "ts_match_vq(words, %s::tsquery)"  # not @@, which would ask the index


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Words that follow one another in one of `columns`; the last may go on if `open_end`. `negated`: must not."""

    words: tuple[str, ...]
    columns: tuple[str, ...] = SEARCHED
    open_end: bool = False
    negated: bool = False

    @property
    def tells_of_trouble(self) -> bool:
        """Whether only mails in trouble can have it."""
        return not self.negated and (
            self.columns == ("error",) or (self.columns == ("tags",) and self.words[0] in TROUBLE)
        )

    def begun(self) -> Wanted | None:
        """Return what FTS5 walks at once instead of words with an open end: the last one cut to its first two letters.

        A longer beginning is put together from all words that begin so, which takes long where a word is everywhere
        ("example.com"). What is found must then be looked at: see `LIKE`. None for a beginning of one letter, which
        tells nothing.
        """
        last = self.words[-1][:2]
        if not self.open_end:
            return self
        if len(last) == 2:
            return replace(self, words=(*self.words[:-1], last))
        return replace(self, words=self.words[:-1], open_end=False) if len(self.words) > 1 else None

    def pattern(self) -> str:
        """Return what a text with a space around it is like that has the words."""
        return f"% {' '.join(self.words)}{'' if self.open_end else ' '}%"

    def is_in(self, texts: dict[str, str]) -> bool:
        """Return whether an entry with these words by column has them."""
        phrase = " " + " ".join(self.words) + ("" if self.open_end else " ")
        return any(phrase in f" {texts[name]} " for name in self.columns) != self.negated


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: `rows` for what the rows say, `wanted` for the index, `ways` to few candidates.

    `states` are several, none of them "sent", of which `rows` says that a mail has one. All of it lies between the ids
    `above` and `below`, both excluded: times are ranges of ids.
    """

    rows: QuerySet[Message]
    wanted: tuple[Wanted, ...] = ()
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
        rows = _between(self.rows, self.below, self.above)
        if not self.wanted:
            return rows
        sql = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s"  # noqa: S608
        if connection.vendor == "postgresql":
            sql = f"SELECT id FROM {TABLE} WHERE words @@ %s::tsquery"  # noqa: S608
        return rows.filter(id__in=RawSQL(sql, [expression(self.wanted)]))  # noqa: S611

    def _page(self, count: int, before: int | None, after: int | None, *, descending: bool) -> list[Message]:
        before, after = self._within(before, after)
        if not self.wanted and not self.states:
            return _rows(self.rows, before, after, count, descending=descending)
        ids = self._ids(count, before, after, descending=descending)
        found = {mail.pk: mail for mail in objects(self.rows.filter(id__in=ids))}
        return [found[pk] for pk in ids if pk in found]

    def _within(self, before: int | None, after: int | None) -> tuple[int | None, int | None]:
        return (
            min((bound for bound in (before, self.below) if bound is not None), default=None),
            max((bound for bound in (after, self.above) if bound is not None), default=None),
        )

    def _ids(self, count: int, before: int | None, after: int | None, *, descending: bool) -> list[int]:
        rows = _between(self.rows, before, after)
        if not self.wanted and self.states:
            return self._ids_of_states(rows, count, descending=descending)
        if not self.wanted:
            return list(rows.order_by("-id" if descending else "id").values_list("id", flat=True)[:count])
        few = self._few()
        walk = _Walk(self.wanted, rows, bool(self.rows.query.where), count, before, after, descending)
        return walk.ids() if few is None else walk.among(few)

    def _ids_of_states(self, rows: QuerySet[Message], count: int, *, descending: bool) -> list[int]:
        """Return the page of mails in one of several states: the page of each, merged. Else all of them were sorted."""
        parts: list[str] = []
        values: list[Any] = []
        for number, state in enumerate(self.states):
            each = rows.filter(status=state).order_by("-id" if descending else "id").select_related(None)
            sql, given = each.values("id")[:count].query.sql_with_params()
            parts.append(f"SELECT id FROM ({sql}) AS state{number}")  # noqa: S608
            values += given
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), values)
            ids = sorted((pk for (pk,) in cursor.fetchall()), reverse=descending)
        return ids[:count]

    def _few(self) -> list[int] | None:
        """Return all candidates of the shortest way if there is a short one."""
        if self.states:
            ids = self._ids_of_states(Message.objects.all(), FEW + 1, descending=True)
            if len(ids) <= FEW:
                return ids
        for way in self.ways:
            # In order, which the indexes of ways have anyway: else PostgreSQL reads the table for what is common.
            ids = list(Message.objects.filter(way).order_by("-id").values_list("id", flat=True)[: FEW + 1])
            if len(ids) <= FEW:
                return ids
        return None


def expression(wanted: Sequence[Wanted]) -> str:
    """Return `wanted` as the engine's index reads it."""
    return tsquery(wanted) if connection.vendor == "postgresql" else fts5(wanted)


def fts5(wanted: Sequence[Wanted]) -> str:
    """Return `wanted` for FTS5, which can only take away from something: from everything, if nothing else is wanted."""
    parts = {True: [], False: []}  # type: dict[bool, list[str]]
    for one in wanted:
        end = " *" if one.open_end else ""
        parts[one.negated].append(f'{{{" ".join(one.columns)}}} : "{" ".join(one.words)}"{end}')
    return "".join([" AND ".join(parts[False] or ['{tags} : "all"']), *(f" NOT {part}" for part in parts[True])])


def tsquery(wanted: Sequence[Wanted]) -> str:
    """Return `wanted` for PostgreSQL."""
    parts = []
    for one in wanted:
        mark = MARKS.get(one.columns[0], "")
        weights = "" if mark or one.columns == SEARCHED else "".join(WEIGHTS[name] for name in one.columns)
        ends = [""] * (len(one.words) - 1) + ["*" if one.open_end else ""]
        words = [
            f"'{mark}{word}'" + (f":{end}{weights}" if end or weights else "")
            for word, end in zip(one.words, ends, strict=True)
        ]
        parts.append(f"{'!' if one.negated else ''}({' <-> '.join(words)})")
    return " & ".join(parts)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One page to be found."""

    wanted: Sequence[Wanted]
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

        Where they hold a tenth of it, PostgreSQL looks at ten times as many more: it cannot walk all that match, and to
        fetch them first would be in vain for what is so common.
        """
        found: list[int] = []
        for size in (WINDOW, FURTHER * WINDOW):
            low, high = (edge - size, edge + 1) if self.descending else (edge - 1, edge + size)
            low, high = max(low, self.after or 0), min(high, self.before or high)
            found += replace(self, count=self.count - len(found))._look(high, low)  # noqa: SLF001  (it is of this class)
            is_all = low == (self.after or 0) if self.descending else high == self.before
            if len(found) == self.count or is_all:
                return found
            if connection.vendor == "sqlite" or len(found) * FURTHER < self.count:
                break
            edge = low if self.descending else high
        return None

    def _look(self, before: int, after: int) -> list[int]:
        """Return the page by looking at the entries between two ids."""
        if connection.vendor == "postgresql":
            return self._run("id", MATCHES, [tsquery(self.wanted)], before, after)
        begun = [shorter for one in self.wanted if not one.negated and (shorter := one.begun())]
        return self._run_fts5(begun, [one for one in self.wanted if one not in begun], before, after)

    def _walk_fts5(self) -> list[int]:
        """Return the page by walking all that match. SQLite."""
        walked = [one if one.negated or len(one.words) == 1 else one.begun() or one for one in self.wanted]
        looked_at = [one for one, shorter in zip(self.wanted, walked, strict=True) if shorter is not one]
        return self._run_fts5(walked, looked_at, self.before, self.after)

    def _run_fts5(
        self, walked: Sequence[Wanted], looked_at: Sequence[Wanted], before: int | None, after: int | None
    ) -> list[int]:
        condition, values = f"{TABLE} MATCH %s", [fts5(walked)]
        for one in looked_at:
            likes = " OR ".join(LIKE.format(name) for name in one.columns)
            condition += f" AND {'NOT ' if one.negated else ''}({likes})"
            values += [one.pattern()] * len(one.columns)
        return self._run("rowid", condition, values, before, after)

    def _edge(self) -> int | None:
        """Return the id at which the page begins at the earliest."""
        rows = _between(Message.objects.order_by(), self.before, self.after)
        edge: int | None = rows.aggregate(edge=(Max if self.descending else Min)("id"))["edge"]
        return edge

    def _rare(self) -> list[int] | None:
        """Return the page of all matches together, None if there are too many of them. PostgreSQL.

        The index is asked for long numbers alone first: to put together all mails with a word that begins as asked
        ("order" as it is typed) takes longer than to look at those few that have the number.
        """
        sure = [one for one in self.wanted if not one.negated]
        numbers = [one for one in sure if any(len(word) >= LONG and word.isdecimal() for word in one.words)]
        if 0 < len(numbers) < len(sure) and (found := self._fetched(numbers)) is not None:
            return found
        return self._fetched(sure) if sure else None

    def _fetched(self, sure: Sequence[Wanted]) -> list[int] | None:
        """Return the page by fetching all that have what is `sure`, None if too many have. PostgreSQL."""
        bounds, values = self._bounds("id", self.before, self.after)
        exists, more = self._exists("matching.id", self.before, self.after)
        order = "DESC" if self.descending else "ASC"
        # Of a phrase, the index is asked for whole words only: an open end costs what all words that begin so do.
        # What it finds is counted before anything else is looked at, or the planner would walk the rows in order; if it
        # is too much, nothing else is.
        sql = (
            f"WITH matching AS MATERIALIZED (SELECT id, words FROM {TABLE} WHERE words @@ %s::tsquery{bounds}"  # noqa: S608
            f" LIMIT {MOST_FETCHED + 1}),"
            f" page AS (SELECT id FROM matching WHERE (SELECT count(*) FROM matching) <= {MOST_FETCHED}"
            f" AND ts_match_vq(words, %s::tsquery){exists}"
            f" ORDER BY id {order} LIMIT %s)"
            " SELECT id, (SELECT count(*) FROM matching) FROM page UNION ALL SELECT 0, (SELECT count(*) FROM matching)"
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [tsquery(_whole(sure)), *values, tsquery(self.wanted), *more, self.count])
            found = cursor.fetchall()
        if found[-1][1] > MOST_FETCHED:
            return None
        return sorted((pk for pk, _ in found if pk), reverse=self.descending)

    def _in_order(self) -> list[int]:
        """Return the page by looking at one row after the other. PostgreSQL."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
            return self._run("id", MATCHES, [tsquery(self.wanted)], self.before, self.after)

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
        rows = _between(self.rows, before, after).filter(id=RawSQL(key, ())).order_by()  # noqa: S611  (a name of ours)
        sql, values = rows.select_related(None).values("id").query.sql_with_params()
        return f" AND EXISTS ({sql})", list(values)


_everything: dict[Hashable, Prepared[Message]] = {}


def _rows(
    rows: QuerySet[Message], before: int | None, after: int | None, count: int, *, descending: bool
) -> list[Message]:
    """Return the first `count` of `rows` between two ids; the statement of most pages, for all mails, is kept."""

    def part(before: Any, after: Any) -> QuerySet[Message]:
        return _between(rows, before, after).order_by("-id" if descending else "id")[:count]

    if rows.query.where or rows.query.select_related:
        return objects(part(before, after))
    columns, left_out = rows.query.deferred_loading
    kind = (frozenset(columns), left_out, before is None, after is None, count, descending)
    if kind not in _everything:
        _everything[kind] = Prepared(
            lambda *bounds: part(None if before is None else bounds[0], None if after is None else bounds[-1])
        )
    return _everything[kind].all(*(bound for bound in (before, after) if bound is not None))


def _between(rows: QuerySet[Message], before: int | None, after: int | None) -> QuerySet[Message]:
    if before is not None:
        rows = rows.filter(id__lt=before)
    return rows if after is None else rows.filter(id__gt=after)


def _whole(wanted: Sequence[Wanted]) -> list[Wanted]:
    """Return `wanted` without the open ends of phrases, whose other words are enough to find few."""
    return [
        replace(one, words=one.words[:-1], open_end=False) if one.open_end and len(one.words) > 1 else one
        for one in wanted
    ]
