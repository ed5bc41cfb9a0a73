"""Transactions whose commit does not wait for the disk (decision 0009)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

NORMAL = 1  # of SQLite's ``PRAGMA synchronous``: in WAL mode, commits do not wait, and a crash damages nothing


@contextmanager
def commit_asynchronously(alias: str) -> Iterator[None]:
    """Run the body in a durable transaction that commits before the database has flushed it to disk.

    If the machine crashes, it may be lost: on PostgreSQL for about half a second (three times `wal_writer_delay`), on
    SQLite until any other transaction commits.
    """
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with transaction.atomic(using=alias, durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = off")
            yield
        return
    level = 0 if connection.in_atomic_block else _synchronous(connection)  # SQLite changes it outside transactions only
    if level > NORMAL:
        _synchronous(connection, NORMAL)
    try:
        with transaction.atomic(using=alias, durable=True):
            yield
    finally:
        if level > NORMAL:
            _synchronous(connection, level)


def _synchronous(connection: BaseDatabaseWrapper, level: int | None = None) -> int:
    """Return the connection's ``PRAGMA synchronous``, or set it."""
    with connection.cursor() as cursor:
        if level is not None:
            cursor.execute(f"PRAGMA synchronous = {level}")
            return level
        cursor.execute("PRAGMA synchronous")
        return int(cursor.fetchone()[0])
