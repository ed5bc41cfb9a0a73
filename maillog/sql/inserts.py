"""Inserts new rows together with the rows of other tables that refer to them: on PostgreSQL in a single statement.

A stored message is a row in four tables. On PostgreSQL, each statement is a round trip, which costs more than its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from maillog.sql.batches import Row, array_parameters, column_of, db_values, insert_into, insert_rows, unnest

MAX_PARAMETERS = 10_000  # per statement; SQLite allows 32,766


class Dependents(Protocol):
    """Rows of another table, each of which refers to one of the new rows by its position among them, from 0."""

    def statement(self, alias: str) -> tuple[str, list[str]]:
        """Return SQL and parameters for PostgreSQL, where the table ``new(id, position)`` has the ids."""

    def insert(self, ids: Sequence[int]) -> None:
        """Insert the rows; `ids` are those of the new rows."""


class DependentRows:
    """Rows of `model` whose column `key` is the id of a new row; each is given with the position of that row."""

    def __init__(
        self, model: type[models.Model], rows: Sequence[tuple[int, Row]], *, key: str, columns: Sequence[str]
    ) -> None:
        self.model, self.rows, self.key, self.columns = model, rows, key, columns

    def statement(self, alias: str) -> tuple[str, list[str]]:
        connection = connections[alias]
        names = (self.key, *self.columns)
        prepared = db_values(
            self.model, connection, ({**row, self.key: position} for position, row in self.rows), names
        )
        quoted = [connection.ops.quote_name(column_of(self.model, name)) for name in names]
        chosen = ", ".join(f"given.{name}" for name in quoted[1:])
        sql = (
            f"{insert_into(self.model, alias, names)} SELECT new.id, {chosen}"  # noqa: S608  (names of ours)
            f" FROM {unnest(self.model, alias, names)} WITH ORDINALITY AS given({', '.join(quoted)}, number)"
            f" JOIN new ON new.position = given.{quoted[0]} ORDER BY given.number"
        )
        return sql, array_parameters(self.model, alias, prepared, names)

    def insert(self, ids: Sequence[int]) -> None:
        rows = ({**row, self.key: ids[position]} for position, row in self.rows)
        insert_rows(self.model, rows, columns=(self.key, *self.columns))


def insert_with_dependents(
    model: type[models.Model], rows: Sequence[Row], *, columns: tuple[str, ...], dependents: Sequence[Dependents]
) -> list[int]:
    """Insert `rows` with these columns and their `dependents`, and return the ids of `rows`, in order.

    The other columns need a default in the database. To be called in a transaction, except on PostgreSQL.
    """
    connection = connections[router.db_for_write(model)]
    prepared = db_values(model, connection, rows, columns)
    if not prepared:
        return []
    if connection.vendor == "postgresql":
        return _insert_by_one_statement(model, connection, prepared, columns, dependents)
    ids = _insert_returning_ids(model, connection, prepared, columns)
    for each in dependents:
        each.insert(ids)
    return ids


def _insert_by_one_statement(
    model: type[models.Model],
    connection: BaseDatabaseWrapper,
    prepared: Sequence[Sequence[Any]],
    columns: tuple[str, ...],
    dependents: Sequence[Dependents],
) -> list[int]:
    alias = connection.alias
    into = insert_into(model, alias, columns)
    steps = [
        f"inserted AS ({into} SELECT * FROM {unnest(model, alias, columns)} RETURNING id)",  # noqa: S608
        # No order of RETURNING is promised, but ids are assigned in the order of the rows.
        "new AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM inserted)",
    ]
    parameters = array_parameters(model, alias, prepared, columns)
    for number, each in enumerate(dependents):
        sql, more = each.statement(alias)
        steps.append(f"dependents{number} AS ({sql})")
        parameters += more
    with connection.cursor() as cursor:
        cursor.execute(f"WITH {', '.join(steps)} SELECT id FROM new ORDER BY id", parameters)  # noqa: S608
        return [number for (number,) in cursor.fetchall()]


def _insert_returning_ids(
    model: type[models.Model],
    connection: BaseDatabaseWrapper,
    prepared: Sequence[Sequence[Any]],
    columns: tuple[str, ...],
) -> list[int]:
    into = insert_into(model, connection.alias, columns)
    marks = f"({', '.join(['%s'] * len(columns))})"
    step = MAX_PARAMETERS // len(columns)
    ids: list[int] = []
    with connection.cursor() as cursor:
        for start in range(0, len(prepared), step):
            part = prepared[start : start + step]
            values = [value for row in part for value in row]
            cursor.execute(f"{into} VALUES {', '.join([marks] * len(part))} RETURNING id", values)
            # No order of RETURNING is promised, but ids are assigned in the order of the rows.
            ids += sorted(number for (number,) in cursor.fetchall())
    return ids
