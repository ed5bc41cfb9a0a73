"""Prepared queries: Django compiles the statement once per process, and only its values change.

Django compiles every queryset on every use, which took several times as long as SQLite needs to answer: with thirteen
queries, a third of a page's time. Only for queries of a fixed shape that run on every page or for every message;
everything else is a plain queryset.
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
    """Stands in a statement for the value at `place` of a call."""

    place: int


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A statement, and what turns its rows into what its queryset would have yielded."""

    sql: str
    values: tuple[Any, ...]  # some are `Placeholder`
    converters: tuple[tuple[int, Sequence[Callable[..., Any]], Any], ...]  # of the columns that need any
    made: Callable[[list[Any]], Any] | None  # None: the row itself


class PreparedQuery(Generic[Row]):
    """A query compiled once: ``PreparedQuery(lambda user: Saved.objects.filter(user_id=user))``, then ``all(5)``.

    The function gets an expression per value and uses it in place of the value. It returns a queryset of objects, of
    tuples (`values_list`) or of single values (`flat`), or several with the same columns, whose rows are concatenated.
    Values are passed to the database unchanged: numbers, text, and times through `db_datetime`.
    """

    def __init__(self, write: Callable[..., QuerySet[Any, Row] | Sequence[QuerySet[Any, Row]]]) -> None:
        self.write = write
        self.written: dict[str, CompiledQuery] = {}

    def all(self, *values: object) -> list[Row]:
        """Return the rows of the query for these values: one statement."""
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
        """Return the first row, None if there is none."""
        found = self.all(*values)
        return found[0] if found else None


def db_value(model: type[Model], name: str, value: object) -> Any:
    """Return `value` of a field as the database takes it: a person's key may be a UUID."""
    return model._meta.get_field(name).get_db_prep_value(value, connection)  # type: ignore[union-attr]  # no relation from elsewhere


def db_datetime(value: Any) -> Any:
    """Return an aware datetime in the form of the database, as a value for a prepared query."""
    return connection.ops.adapt_datetimefield_value(value)


def compile_query(parts: Sequence[QuerySet[Any, Any]]) -> CompiledQuery:
    """Compile these querysets. Raises TypeError for one whose rows need more than the columns of one table."""
    first = parts[0].query.get_compiler(parts[0].db)
    first.as_sql()
    columns = [one[0] for one in first.select]
    converters = [(place, convert, about) for place, (convert, about) in first.get_converters(columns).items()]
    sql, values = union_all(parts) if len(parts) > 1 else parts[0].query.sql_with_params()
    return CompiledQuery(sql, tuple(values), tuple(converters), _row_builder(parts[0], columns))


def union_all(parts: Sequence[QuerySet[Any, Any]], *, then: str = "") -> tuple[str, list[Any]]:
    """Return SQL and values for the rows of several limited querysets; Django's union rejects LIMIT on SQLite."""
    statements = [part.query.sql_with_params() for part in parts]
    selects = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS part{n}" for n, (sql, _) in enumerate(statements))  # noqa: S608
    return f"{selects} {then}".strip(), [value for _, values in statements for value in values]


def load_objects(rows: QuerySet[M]) -> list[M]:
    """Return the objects of `rows`; those of one table as quickly as `PreparedQuery`, but compiling the statement."""
    if not _is_plain(rows):
        return list(rows)
    compiler = rows.query.get_compiler(rows.db)
    found = compiler.execute_sql()
    names = [one[0].target.attname for one in compiler.select]
    return [_build_object(rows.model, rows.db, names, row) for row in compiler.results_iter(found)]


def _is_plain(rows: QuerySet[Any, Any]) -> bool:
    """Return whether `rows` needs only the columns of one table."""
    plain: Any = rows
    query = plain.query
    return not (query.select_related or query.annotations or plain._prefetch_related_lookups)  # noqa: SLF001


def _build_object(model: type[M], alias: str, names: Sequence[str], row: Sequence[Any]) -> M:
    """Return what `Model.from_db` returns, which takes ten times as long: it visits all fields for each row."""
    made = model.__new__(model)
    made.__dict__.update(zip(names, row, strict=True))
    state = made._state = ModelState()  # noqa: SLF001
    state.adding, state.db = False, alias
    return made


def _row_builder(rows: QuerySet[Any, Any], columns: Sequence[Any]) -> Callable[[list[Any]], Any] | None:
    """Return the function that turns a row into what `rows` yields, None for tuples."""
    kind = rows._iterable_class  # noqa: SLF001  (Django has no public name for it)
    if kind is ModelIterable and _is_plain(rows):
        return partial(_build_object, rows.model, rows.db, [one.target.attname for one in columns])
    if kind is FlatValuesListIterable:
        return lambda row: row[0]
    if kind is ValuesListIterable:
        return None
    message = "A prepared query yields tuples, or objects that need the columns of one table alone."
    raise TypeError(message)
