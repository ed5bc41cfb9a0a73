"""Writes many rows, each with its own values, in few statements.

Django's `bulk_update` writes one CASE over the whole batch, quadratic in its length and without a condition per row;
its `bulk_create` compiles the statement each time from model objects, which costs several times what the database
needs. SQLite gets one prepared statement for all rows. PostgreSQL gets the rows as one array per column, because there
a statement costs more than its rows (measured: half the processor time of worker and server; decision 0007).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import RawSQL

Row = Mapping[str, Any]  # attribute name -> value
Convert = Callable[[Any], Any]

ROWS_PER_STATEMENT = 1_000  # rows in one statement on PostgreSQL
# A list written into the statement makes it a different one each time, and Python caches the last 128 of them: with
# 5,000 numbers, a megabyte each (measured: 140 MB in an export).
JSON_LIST = "SELECT value FROM json_each(%s)"


def update_rows(model: type[models.Model], rows: Iterable[Row], *, values: list[str], where: list[str]) -> None:
    """Update the columns `values` of each of `rows` where all columns `where`, the key first, are equal."""
    connection = connections[router.db_for_write(model)]
    names = (*values, *where)
    prepared = db_values(model, connection, rows, names)
    if not prepared:
        return
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = {name: quote(column_of(model, name)) for name in names}
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            sets = ", ".join(f"{columns[name]} = %s" for name in values)
            conditions = " AND ".join(f"{columns[name]} = %s" for name in where)
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE {conditions}", prepared)  # noqa: S608  (names of ours)
            return
        sets = ", ".join(f"{columns[name]} = given.{columns[name]}" for name in values)
        conditions = " AND ".join(f"{table}.{columns[name]} = given.{columns[name]}" for name in where)
        given = f"{unnest(model, connection.alias, names)} AS given({', '.join(columns.values())})"
        # The keys again: whatever the statistics say, the planner reads only these rows.
        only = f"{table}.{columns[where[0]]} = ANY(%s::bigint[])"
        for start in range(0, len(prepared), ROWS_PER_STATEMENT):
            part = prepared[start : start + ROWS_PER_STATEMENT]
            arrays = array_parameters(model, connection.alias, part, names)
            cursor.execute(
                f"UPDATE {table} SET {sets} FROM {given} WHERE {conditions} AND {only}",  # noqa: S608
                [*arrays, arrays[len(values)]],
            )


def insert_rows(model: type[models.Model], rows: Iterable[Row], *, columns: Sequence[str]) -> None:
    """Insert `rows` with these columns; the others need a default in the database."""
    connection = connections[router.db_for_write(model)]
    names = tuple(columns)
    prepared = db_values(model, connection, rows, names)
    if not prepared:
        return
    into = insert_into(model, connection.alias, names)
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.executemany(f"{into} VALUES ({', '.join(['%s'] * len(names))})", prepared)
            return
        for start in range(0, len(prepared), ROWS_PER_STATEMENT):
            arrays = array_parameters(model, connection.alias, prepared[start : start + ROWS_PER_STATEMENT], names)
            cursor.execute(f"{into} SELECT * FROM {unnest(model, connection.alias, names)}", arrays)  # noqa: S608


def read_rows(
    model: type[models.Model], names: Sequence[str], ids: Iterable[int], *, by: str = "id", lock: bool = False
) -> list[tuple[Any, ...]]:
    """Return the columns `names` of the rows whose column `by` is among `ids`, ordered by primary key.

    Hand-written SQL, because Django compiles each statement and calls a converter for nearly every value (measured:
    half the time of claiming). Values are unconverted: times from SQLite are naive UTC. `lock` locks the rows until the
    transaction ends. Selects by ids alone: with a status as well, PostgreSQL reads the index of unfinished messages
    with all its dead entries (measured: thousands for 50 rows).
    """
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    assert model._meta.pk  # noqa: S101  (for the type checker)
    table, key = quote(model._meta.db_table), quote(column_of(model, model._meta.pk.attname))
    chosen = ", ".join(quote(column_of(model, name)) for name in names)
    given = id_list(ids)
    where = f"{quote(column_of(model, by))} IN ({given.sql})"
    end = " FOR UPDATE" if lock and connection.features.has_select_for_update else ""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {chosen} FROM {table} WHERE {where} ORDER BY {key}{end}", given.params)  # noqa: S608
        return list(cursor.fetchall())


def id_list(ids: Iterable[int]) -> RawSQL:
    """Return `ids`, trusted numbers, for ``filter(id__in=id_list(ids))``, which spares Django converting each."""
    numbers = ",".join([str(int(each)) for each in ids])
    if connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
        return RawSQL(JSON_LIST, (f"[{numbers}]",))  # noqa: S611
    return RawSQL(numbers or "NULL", ())  # noqa: S611  (only digits)


def as_parameter(texts: Iterable[str]) -> object:
    """Return any number of `texts` as a single query parameter, for `parameter_list`."""
    return json.dumps([*texts]) if connections[DEFAULT_DB_ALIAS].vendor == "sqlite" else [*texts]


def parameter_list(parameter: object) -> RawSQL:
    """Return the list in such a parameter, for ``filter(name__in=parameter_list(Placeholder(0)))`` when prepared."""
    is_sqlite = connections[DEFAULT_DB_ALIAS].vendor == "sqlite"
    return RawSQL(JSON_LIST if is_sqlite else "SELECT unnest(%s::text[])", (parameter,))  # noqa: S611  (words of ours)


def column_of(model: type[models.Model], name: str) -> str:
    return str(_field(model, name).column)


@cache
def _field(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    return next(field for field in model._meta.concrete_fields if field.attname == name)


@cache
def insert_into(model: type[models.Model], alias: str, columns: tuple[str, ...]) -> str:
    """Return ``INSERT INTO table (columns)``."""
    quote = connections[alias].ops.quote_name
    return f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(quote(column_of(model, name)) for name in columns)})"


@cache
def unnest(model: type[models.Model], alias: str, names: tuple[str, ...]) -> str:
    """Return the rows as a table of one array per column; types have no length, which is checked on writing."""
    types = [str(_field(model, name).db_type(connections[alias])).partition("(")[0] for name in names]
    return f"unnest({', '.join(f'%s::{each}[]' for each in types)})"


def array_parameters(
    model: type[models.Model], alias: str, prepared: Sequence[Sequence[Any]], names: tuple[str, ...]
) -> list[str]:
    """Return each column of these rows as the text of an array, for `unnest`."""
    writers = _writers(model, alias, names)
    return [array_text(write, [values[at] for values in prepared]) for at, write in enumerate(writers)]


def array_text(write: Callable[[Any], str], values: Iterable[Any]) -> str:
    """Return `values` as the text of a PostgreSQL array (manual, 8.15.6), each written by `write`; None is NULL.

    psycopg can write arrays, but inspects the type of every value (measured: a sixth of the time to record results).
    """
    return f"{{{','.join(['NULL' if value is None else write(value) for value in values])}}}"


def array_element(text: str) -> str:
    """Return `text` as a quoted array element."""
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text + '"'  # not an f-string: concatenation takes the value of a TextChoices member


@cache
def _writers(model: type[models.Model], alias: str, names: tuple[str, ...]) -> list[Callable[[Any], str]]:
    """Return, per name, the function that writes its values as array elements."""
    return [_writer(_field(model, name)) for name in names]


def _writer(field: models.Field[Any, Any]) -> Callable[[Any], str]:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    if isinstance(target, models.IntegerField):
        return str
    if isinstance(target, models.BooleanField):
        return lambda value: "t" if value else "f"
    if isinstance(target, models.DateTimeField):
        return lambda value: f'"{value.isoformat()}"'
    if isinstance(target, models.BinaryField):
        return lambda value: f'"\\\\x{bytes(value).hex()}"'
    if isinstance(target, models.UUIDField):
        return str
    assert isinstance(target, models.CharField | models.TextField | models.JSONField), target  # noqa: S101  (no other type is in use)
    return array_element


def db_values(
    model: type[models.Model], connection: BaseDatabaseWrapper, rows: Iterable[Row], names: tuple[str, ...]
) -> list[list[Any]]:
    """Return the values `names` of each row, converted for the database."""
    values_of = itemgetter(*names)
    prepared = [list(values_of(row)) for row in rows]
    for at, to_db in _converters(model, connection.alias, names):
        for values in prepared:
            values[at] = to_db(values[at])
    return prepared


@cache
def _converters(model: type[models.Model], alias: str, names: tuple[str, ...]) -> list[tuple[int, Convert]]:
    """Return (position, function) for the values that need converting; text and numbers do not."""
    connection = connections[alias]
    plain: tuple[type[models.Field[Any, Any]], ...] = (
        models.CharField,
        models.TextField,
        models.IntegerField,
        models.BooleanField,
    )
    if connection.vendor == "postgresql":
        plain = (*plain, models.DateTimeField, models.BinaryField)

    def converter(name: str) -> Convert | None:
        field = _field(model, name)
        target = field.target_field if isinstance(field, models.ForeignKey) else field  # a user's key may be a UUID
        if isinstance(target, plain):
            return None
        if isinstance(field, models.DateTimeField) and connection.vendor == "sqlite":
            return _sqlite_datetime
        if isinstance(field, models.JSONField):
            return lambda value: "{}" if value == {} else json.dumps(value, cls=field.encoder)
        return lambda value: field.get_db_prep_save(value, connection)

    found = [(at, converter(name)) for at, name in enumerate(names)]
    return [(at, to_db) for at, to_db in found if to_db]


def _sqlite_datetime(moment: datetime | None) -> str | None:
    """Return the text that Django stores for an aware `moment`, naive UTC with a space, in a tenth of the time."""
    if moment is None:
        return None
    return str((moment if moment.tzinfo is UTC else moment.astimezone(UTC)).replace(tzinfo=None))
