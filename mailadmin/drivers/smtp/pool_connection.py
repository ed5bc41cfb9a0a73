"""One open connection of a pool: it takes messages as long as there are any, then idles, and closes in order."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from mailadmin.drivers.base import crash_error, error_result
from mailadmin.drivers.smtp.envelopes import adapted
from mailadmin.drivers.smtp.transaction import NotStarted, with_refused

if TYPE_CHECKING:
    from mailadmin.drivers.base import Envelope, Result
    from mailadmin.drivers.smtp.pool_batches import Batch, Item
    from mailadmin.drivers.smtp.session import Session
    from mailadmin.drivers.smtp.smtp_server import SmtpServer

logger = logging.getLogger(__name__)

IDLE_SECONDS = 15.0  # how long a connection without work stays open


class ConnectionOwner(Protocol):
    """What a connection needs of its pool."""

    server: SmtpServer
    idle: list[PooledConnection]  # those without work at the moment, the latest last
    is_closing: bool

    def take(self) -> Item | None:
        """Return the next message, or None."""

    def settled(self, connection: PooledConnection, item: Item, result: Result, seconds: float) -> None:
        """Record the result of a message that took `seconds`."""

    def not_started(self, connection: PooledConnection, item: Item, result: Result) -> None:
        """Requeue or settle a message that the connection's end kept from being started."""

    def requeue(self, item: Item) -> None:
        """Make a message that was taken too early the next one again."""

    def closed(self, connection: PooledConnection) -> None:
        """Forget the connection."""


class PooledConnection:
    """One connection, run by a task of its own. `is_closing`: it takes no more messages."""

    def __init__(self, pool: ConnectionOwner, session: Session) -> None:
        self.session = session
        self.is_closing = False
        self._pool = pool
        self._limit = max(1, pool.server.mails_per_connection)
        self._current: Item | None = None
        self._sent_ahead: Item | None = None  # its commands were sent behind the content of the current one
        self._wakeup: asyncio.Future[bool] | None = None
        session.conversation.on_end = self._resume
        self.task = asyncio.create_task(self._run(), name=f"mails to {session.host}")

    def wake(self, *, stay: bool) -> None:
        """End idling: there is work, or (`stay` is false) the connection is to close."""
        if self._wakeup and not self._wakeup.done():
            self._wakeup.set_result(stay)
            self._pool.idle.remove(self)

    def abandon(self, batch: Batch) -> None:
        """Disconnect if a message of `batch` is under way; nothing of it that is still unsent leaves."""
        if self._current and self._current.batch is batch:
            self.session.abort()

    # ------------------------------------------------------------ the work

    async def _run(self) -> None:
        session, pool = self.session, self._pool
        try:
            while self._can_continue():
                self._current, self._sent_ahead = self._sent_ahead or self._next(), None
                if self._current and self._current.batch.finished.done():
                    session.abort()  # the message was cancelled after its recipients had been sent
                elif self._current:
                    await self._send(self._current)
                elif pool.is_closing or not await self._idle():
                    break
            self.is_closing = True
            if self._sent_ahead:
                pool.requeue(self._sent_ahead)
            elif session.is_usable:
                await session.close()
        except Exception as error:
            number = self._current.envelope.id if self._current else "-"
            logger.exception("A connection to %s failed, at message %s.", session.host, number)
            session.abort()
            if self._sent_ahead:
                pool.requeue(self._sent_ahead)
            if self._current:
                self._current.batch.settle(self._current, error_result(self._current.envelope, crash_error(error)))
        except BaseException as error:
            pool.is_closing |= isinstance(error, asyncio.CancelledError)  # only the end of the loop cancels this task
            session.abort()
            for item in (self._current, self._sent_ahead):
                if item:
                    item.batch.crash(error)
            raise
        finally:
            pool.closed(self)

    def _can_continue(self) -> bool:
        """Whether another message can go through, or the server replied to the beginning of one before it closed."""
        if not self.session.is_usable:
            return self._sent_ahead is not None and self.session.conversation.has_unread
        return self.session.transactions < self._limit

    async def _send(self, item: Item) -> None:
        began = monotonic()
        try:
            result = await self.session.transact(item.wire, item.batch.content_timeout, self._next_message)
        except NotStarted as not_started:
            if self._sent_ahead:
                self._pool.requeue(self._sent_ahead)
            self._sent_ahead = None
            self._pool.not_started(self, item, with_refused(not_started.result, item.envelope, item.refused))
        else:
            self._pool.settled(self, item, with_refused(result, item.envelope, item.refused), monotonic() - began)
        self._current = None

    def _next_message(self) -> Envelope | None:
        """Return the message whose commands may be sent behind the content of the current one."""
        if self.session.transactions < self._limit:
            self._sent_ahead = self._next()
        return self._sent_ahead.wire if self._sent_ahead else None

    def _next(self) -> Item | None:
        """Return the next message that this server can take; others before it are settled as failed."""
        while item := self._pool.take():
            try:
                item.wire, item.refused = adapted(item.envelope, self.session.extensions, self.session.host)
                reason = self.session.undeliverable_reason(item.wire)
            except Exception as error:
                logger.exception("Message %d could not be sent.", item.envelope.id)
                item.batch.settle(item, error_result(item.envelope, crash_error(error)))
                continue
            if not reason:
                return item
            item.batch.settle(item, self.session.not_attempted(item.envelope, reason))
        return None

    async def _idle(self) -> bool:
        """Wait until there is work, and return whether to go on."""
        loop = asyncio.get_running_loop()
        self._wakeup = loop.create_future()
        timer = loop.call_later(IDLE_SECONDS, self._idle_too_long)
        self._pool.idle.append(self)
        try:
            return await self._wakeup
        finally:
            timer.cancel()
            self._wakeup = None

    def _idle_too_long(self) -> None:
        self.wake(stay=False)

    def _resume(self) -> None:
        self.wake(stay=True)
