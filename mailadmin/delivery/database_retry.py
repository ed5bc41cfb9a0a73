"""Retries while the database is down: what has been sent must be recorded, however long that takes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection

T = TypeVar("T")

DATABASE_DOWN = (OperationalError, InterfaceError)
MAX_PAUSE = 10.0  # seconds between two tries

logger = logging.getLogger(__name__)


def retry_while_database_is_down(
    do: Callable[[], T], *, limit: float | None = None, tries_while_up: int | None = None
) -> T:
    """Return what `do` returns, calling it again while the database is down, for `limit` seconds (None: no limit).

    Raises the database's error once the limit has passed, and any other error at once. With `tries_while_up` also an
    error of that class that came as often while the database answered: SQLite reports a text that it cannot
    decode, and PostgreSQL a statement that takes too long, as they report a database that is gone.
    """
    pause, start, refused = 0.5, monotonic(), 0
    while True:
        try:
            return do()
        except DATABASE_DOWN:
            if limit is not None and monotonic() - start > limit:
                raise
            refused += tries_while_up is not None and answers()
            if refused and refused == tries_while_up:
                raise
            logger.warning("The database is down; results wait to be recorded.", exc_info=True)
            sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)
            close_old_connections()


def answers() -> bool:
    """Return whether the database answers a query."""
    close_old_connections()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
