"""Many rows, each with values of its own, written by one prepared statement.

Django's `bulk_update` writes one CASE over the whole batch, quadratic in its length and without a condition a row; its
`bulk_create` builds the statement anew from model objects, which costs several times what the database needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connections, models, router

MOST_PARAMETERS = 10_000  # of a statement: SQLite takes 32,766, PostgreSQL 65,535


def update_rows(
    model: type[models.Model], rows: Iterable[Mapping[str, Any]], *, values: list[str], where: list[str]
) -> None:
    """Update for each of `rows` (attribute name -> value) the columns `values` where all of `where` are equal."""
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    columns = {name: f"{quote(column_of(model, name))} = %s" for name in [*values, *where]}
    sets = ", ".join(columns[name] for name in values)
    conditions = " AND ".join(columns[name] for name in where)
    _many(
        model,
        f"UPDATE {quote(model._meta.db_table)} SET {sets} WHERE {conditions}",  # noqa: S608  (only names of ours)
        rows,
        [*values, *where],
    )


def insert_rows(model: type[models.Model], rows: Iterable[Mapping[str, Any]], *, columns: list[str]) -> None:
    """Insert `rows` (attribute name -> value), whose other columns the database must fill by itself."""
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    names = ", ".join(quote(column_of(model, name)) for name in columns)
    marks = ", ".join(["%s"] * len(columns))
    table = quote(model._meta.db_table)
    _many(model, f"INSERT INTO {table} ({names}) VALUES ({marks})", rows, columns)  # noqa: S608  (only names of ours)


def insert_returning_ids(
    model: type[models.Model], rows: Sequence[Mapping[str, Any]], *, columns: list[str]
) -> list[int]:
    """Insert `rows` as `insert_rows` does and return their new ids, in order; some hundreds of rows a statement."""
    alias = router.db_for_write(model)
    connection = connections[alias]
    quote = connection.ops.quote_name
    convert = _converters(model, alias, tuple(columns))
    names = ", ".join(quote(column_of(model, name)) for name in columns)
    table = quote(model._meta.db_table)
    marks = f"({', '.join(['%s'] * len(columns))})"
    step = MOST_PARAMETERS // len(columns)
    ids: list[int] = []
    with connection.cursor() as cursor:
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            values = [to_db(row[name]) if to_db else row[name] for row in part for name, to_db in convert]
            statement = f"INSERT INTO {table} ({names}) VALUES {', '.join([marks] * len(part))} RETURNING id"  # noqa: S608
            cursor.execute(statement, values)
            # Neither engine promises the order of RETURNING; ids are given in the order of VALUES on both.
            ids += sorted(number for (number,) in cursor.fetchall())
    return ids


def column_of(model: type[models.Model], name: str) -> str:
    """Return the column of the attribute `name`."""
    return next(str(field.column) for field in model._meta.concrete_fields if field.attname == name)


def _many(model: type[models.Model], statement: str, rows: Iterable[Mapping[str, Any]], names: list[str]) -> None:
    alias = router.db_for_write(model)
    convert = _converters(model, alias, tuple(names))
    prepared = [[to_db(row[name]) if to_db else row[name] for name, to_db in convert] for row in rows]
    if prepared:
        with connections[alias].cursor() as cursor:
            cursor.executemany(statement, prepared)


@cache
def _converters(
    model: type[models.Model], alias: str, names: tuple[str, ...]
) -> list[tuple[str, Callable[[Any], Any] | None]]:
    """Return for each name how its value is made fit for the database; None for text and numbers, which are."""
    connection = connections[alias]
    fields = {field.attname: field for field in model._meta.concrete_fields}
    plain = (models.CharField, models.TextField, models.IntegerField, models.BooleanField, models.ForeignKey)

    def converter(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
        return lambda value: field.get_db_prep_save(value, connection)

    return [(name, None if isinstance(fields[name], plain) else converter(fields[name])) for name in names]
