"""Queries that every page makes, written by Django once a process.

Django puts a statement together anew for each use, which took several times as long as SQLite needs to answer: with
thirteen queries, a third of a page's time. Here the statement is kept, with how its columns are read; only its values
change. For queries that are always the same; whatever depends on what somebody asks for is a plain queryset.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet, Value
from django.db.models.base import ModelState
from django.db.models.query import FlatValuesListIterable, ModelIterable, ValuesListIterable

Row = TypeVar("Row")
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stands in a statement for one of the values that it is asked with."""

    place: int


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A statement, and what makes of its rows what its queryset would have yielded."""

    sql: str
    values: tuple[Any, ...]  # some are `Given`
    converters: tuple[tuple[int, Sequence[Callable[..., Any]], Any], ...]  # of the columns that need some
    made: Callable[[list[Any]], Any] | None  # None: the row itself


class PreparedQuery(Generic[Row]):
    """A query that is written once: ``Prepared(lambda user: Saved.objects.filter(user_id=user))``, then ``all(5)``.

    The function gets an expression for each value, to be used as one. It returns a queryset of objects, of tuples
    (`values_list`) or of single values (`flat`), or several with the same columns, whose rows follow one another. The
    values must be what the database takes: numbers, text, and times through `moment`.
    """

    def __init__(self, write: Callable[..., QuerySet[Any, Row] | Sequence[QuerySet[Any, Row]]]) -> None:
        self.write = write
        self.written: dict[str, CompiledQuery] = {}

    def all(self, *values: object) -> list[Row]:
        """Return what the query finds: one statement."""
        vendor = connection.vendor
        kept = self.written.get(vendor)
        if kept is None:
            rows = self.write(*(Value(Placeholder(place)) for place in range(len(values))))
            kept = self.written[vendor] = compile_query([rows] if isinstance(rows, QuerySet) else rows)
        with connection.cursor() as cursor:
            given: list[Any] = [values[one.place] if type(one) is Placeholder else one for one in kept.values]
            cursor.execute(kept.sql, given)
            found = cursor.fetchall()
        if kept.converters:
            found = [list(row) for row in found]
            for place, converters, expression in kept.converters:
                for convert in converters:
                    for row in found:
                        row[place] = convert(row[place], expression, connection)
        return found if kept.made is None else [kept.made(row) for row in found]

    def first(self, *values: object) -> Row | None:
        """Return the first of what the query finds, None if that is nothing."""
        found = self.all(*values)
        return found[0] if found else None


def db_datetime(value: Any) -> Any:
    """Return a time as the database takes it."""
    return connection.ops.adapt_datetimefield_value(value)


def compile_query(parts: Sequence[QuerySet[Any, Any]]) -> CompiledQuery:
    """Return the statement of these querysets. Raises TypeError for one whose rows need more than their columns."""
    first = parts[0].query.get_compiler(parts[0].db)
    first.as_sql()
    columns = [one[0] for one in first.select]
    converters = [(place, convert, about) for place, (convert, about) in first.get_converters(columns).items()]
    sql, values = union_all(parts) if len(parts) > 1 else parts[0].query.sql_with_params()
    return CompiledQuery(sql, tuple(values), tuple(converters), _row_builder(parts[0], columns))


def union_all(parts: Sequence[QuerySet[Any, Any]], *, then: str = "") -> tuple[str, list[Any]]:
    """Return the statement for the rows of several limited querysets; SQLite takes no LIMIT in Django's own union."""
    statements = [part.query.sql_with_params() for part in parts]
    selects = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS part{n}" for n, (sql, _) in enumerate(statements))  # noqa: S608
    return f"{selects} {then}".strip(), [value for _, values in statements for value in values]


def load_objects(rows: QuerySet[M]) -> list[M]:
    """Return the objects of `rows`, whose statement changes; those of one table as quickly as `Prepared` makes them."""
    if not _is_plain(rows):
        return list(rows)
    compiler = rows.query.get_compiler(rows.db)
    found = compiler.execute_sql()
    names = [one[0].target.attname for one in compiler.select]
    return [_build_object(rows.model, rows.db, names, row) for row in compiler.results_iter(found)]


def _is_plain(rows: QuerySet[Any, Any]) -> bool:
    """Return whether the columns of one table are all that `rows` needs."""
    plain: Any = rows
    query = plain.query
    return not (query.select_related or query.annotations or plain._prefetch_related_lookups)  # noqa: SLF001


def _build_object(model: type[M], alias: str, names: Sequence[str], row: Sequence[Any]) -> M:
    """Return the object with these columns.

    `Model.from_db` makes the same, but goes through all fields of the model for each row: ten times as long.
    """
    made = model.__new__(model)
    made.__dict__.update(zip(names, row, strict=True))
    state = made._state = ModelState()  # noqa: SLF001
    state.adding, state.db = False, alias
    return made


def _row_builder(rows: QuerySet[Any, Any], columns: Sequence[Any]) -> Callable[[list[Any]], Any] | None:
    """Return what turns the columns of a row into what `rows` yields, None for tuples."""
    kind = rows._iterable_class  # noqa: SLF001  (Django has no other word for it)
    if kind is ModelIterable and _is_plain(rows):
        return partial(_build_object, rows.model, rows.db, [one.target.attname for one in columns])
    if kind is FlatValuesListIterable:
        return lambda row: row[0]
    if kind is ValuesListIterable:
        return None
    message = "A prepared query yields tuples, or objects that need the columns of one table alone."
    raise TypeError(message)
