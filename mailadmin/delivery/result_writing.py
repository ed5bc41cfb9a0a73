"""Writes results to the log so that one that cannot be written costs no other."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailadmin.delivery.database_retry import DATABASE_DOWN, retry_while_database_is_down
from maillog.queue import settling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maillog.outcomes import Settlement

TRIES = 3  # of a batch that the database refuses although it answers, before its results are written one by one

logger = logging.getLogger(__name__)


def write(settlements: Sequence[Settlement], *, limit: float | None = None) -> None:
    """Record `settlements` in one transaction, or, if that fails, one by one.

    While the database is down this waits, for `limit` seconds (None: without end), and then raises its error.
    """
    try:
        retry_while_database_is_down(lambda: settling.settle(settlements), limit=limit, tries_while_up=TRIES)
    except Exception as error:
        if len(settlements) > 1:
            logger.warning("%d results could not be recorded together (%s).", len(settlements), type(error).__name__)
            middle = len(settlements) // 2
            write(settlements[:middle], limit=limit)
            write(settlements[middle:], limit=limit)
            return
        if limit is not None and isinstance(error, DATABASE_DOWN):
            raise
        logger.exception("The result of message %d could not be recorded.", settlements[0].id)
        _write_state(settlements[0])


def _write_state(settlement: Settlement) -> None:
    """Record at least the state of a message: its row, or its result, holds something that cannot be read or written.

    Waits while the database is down. If not even the state can be written, the message counts as left by a dead worker
    when its lease ends.
    """

    def settle() -> None:
        try:
            settling.settle([settlement])
        except Exception:  # noqa: BLE001  (it has been logged; what the next statement raises is told apart)
            settling.settle_state(settlement)

    try:
        retry_while_database_is_down(settle)
    except Exception:
        logger.exception("Not even the state of message %d could be recorded.", settlement.id)
