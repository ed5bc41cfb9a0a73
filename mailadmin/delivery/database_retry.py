"""Waiting for a database that does not answer: what has been sent must be written down, whenever that is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections

T = TypeVar("T")

DATABASE_DOWN = (OperationalError, InterfaceError)
MAX_PAUSE = 10.0  # seconds between two tries

logger = logging.getLogger(__name__)


def retry_while_database_is_down(do: Callable[[], T], *, limit: float | None = None) -> T:
    """Return what `do` returns, calling it again while the database is away, for `limit` seconds (None: for ever).

    Raises the database's error when the limit has passed, and any other error at once.
    """
    pause, begin = 0.5, monotonic()
    while True:
        try:
            return do()
        except DATABASE_DOWN:
            if limit is not None and monotonic() - begin > limit:
                raise
            logger.warning("The database does not answer; what was sent waits to be recorded.", exc_info=True)
            sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)
            close_old_connections()
