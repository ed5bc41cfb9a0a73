"""Fills the log with realistic messages (`benchmarks.log.mails`), fast enough for a million within two minutes.

``python -m benchmarks.log_data 20000`` fills the database of the settings, for looking at the pages.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

import django

from benchmarks.log.mails import CHUNK
from benchmarks.log.rows import Row, RowBuilder, Tables


def fill(count: int, *, now: datetime, seed: int = 1, bodies: bool = True, processes: int = 1) -> None:
    """Insert `count` messages of the last 90 days with everything that belongs to them, oldest first.

    With several `processes`, the others generate rows for this one to write; on PostgreSQL they also write them.
    """
    from django.db import connection, connections, transaction

    builder = RowBuilder(count, now=now.astimezone(UTC), seed=seed, bodies=bodies)
    firsts = range(0, count, CHUNK)
    if processes > 1:
        connections.close_all()
        write = connection.vendor == "postgresql"
        with get_context("fork").Pool(processes, _in_child, (builder,)) as pool:
            tasks = pool.imap(_generate_and_write if write else _generate, firsts)
            _fast_writes(tables for tables in tasks if tables)
    else:
        _fast_writes(map(builder.tables, firsts))
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            sql = "SELECT setval(pg_get_serial_sequence('maillog_message', 'id'), %s)"
            cursor.execute(sql, [builder.first_id + count - 1])


_builder: RowBuilder | None = None  # in a child process


def _in_child(builder: RowBuilder) -> None:
    global _builder
    _builder = builder


def _generate(first: int) -> Tables:
    assert _builder is not None
    return _builder.tables(first)


def _generate_and_write(first: int) -> None:
    _fast_writes([_generate(first)])


def _fast_writes(chunks: Iterable[Tables]) -> None:
    """Write each chunk in a transaction, without waiting for the disk and without checking foreign keys."""
    from django.db import connection, transaction

    pragmas: dict[str, Any] = {}
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        pragmas = {name: _pragma(name) for name in ("synchronous", "foreign_keys")}
        for name in pragmas:
            _pragma(name, 0)
    try:
        for tables in chunks:
            with transaction.atomic():
                for table, columns, rows in tables:
                    _write(table, columns, rows)
    finally:
        for name, value in pragmas.items():
            _pragma(name, value)


def settle_down() -> None:
    """Do what autovacuum would do. SQLite has no equivalent; only its write-ahead log is truncated."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.fetchall()


def _write(table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    from django.db import connection

    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Skips the foreign key check of each row.
            cursor.execute("SET LOCAL session_replication_role = replica")
            with cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', list(rows))


def _pragma(name: str, value: int | None = None) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}" if value is None else f"PRAGMA {name} = {value}")
        found = cursor.fetchall()
    return found[0][0] if found else None


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.utils import timezone

    from maillog.statistics import rebuild

    fill(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000, now=timezone.now())
    rebuild.rebuild()  # the statistics that the overview shows
