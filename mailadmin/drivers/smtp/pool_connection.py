"""One open connection of a pool at work: it takes mails as long as there are any, rests, and leaves in order."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

from mailadmin.drivers.smtp.transaction import NotBegun

if TYPE_CHECKING:
    from mailadmin.drivers.base import Envelope
    from mailadmin.drivers.smtp.pool import Pool
    from mailadmin.drivers.smtp.pool_batches import Call, Job
    from mailadmin.drivers.smtp.session import Session


class Lane:
    """One connection, run by a task of its own. `is_leaving`: it takes no more mails."""

    def __init__(self, pool: Pool, session: Session) -> None:
        self.session = session
        self.is_leaving = False
        self._pool = pool
        self._limit = max(1, pool.server.mails_per_connection)
        self._job: Job | None = None  # the mail under way
        self._ahead: Job | None = None  # the one whose commands have left behind its content
        self._rest: asyncio.Future[bool] | None = None
        session.conversation.on_end = self._wake_up
        self.task = asyncio.create_task(self._work(), name=f"mails to {session.host}")

    def wake(self, *, stay: bool) -> None:
        """End the rest: there is work, or (`stay` is false) it is time to leave."""
        if self._rest and not self._rest.done():
            self._rest.set_result(stay)
            self._pool.resting.remove(self)

    def abandon(self, call: Call) -> None:
        """Disconnect if a mail of `call` is under way; nothing of it that is still unsent leaves."""
        if self._job and self._job.call is call:
            self.session.abort()

    # ------------------------------------------------------------ the work

    async def _work(self) -> None:
        session, pool = self.session, self._pool
        try:
            while self._may_go_on():
                self._job, self._ahead = self._ahead or self._next(), None
                if self._job and self._job.call.finished.done():
                    session.abort()  # the mail was given up after its recipients had been named
                elif self._job:
                    await self._send(self._job)
                elif pool.is_closing or not await self._until_woken():
                    break
            self.is_leaving = True
            if self._ahead:
                pool.put_back(self._ahead)
            elif session.is_usable:
                await session.close()
        except BaseException as error:
            pool.is_closing |= isinstance(error, asyncio.CancelledError)  # only the end of the loop cancels this task
            session.abort()
            for job in (self._job, self._ahead):
                if job:
                    job.call.crash(error)
            raise
        finally:
            pool.left(self)

    def _may_go_on(self) -> bool:
        """Tell whether another mail can go through, or the server has answered the beginning of one and then ended."""
        if not self.session.is_usable:
            return self._ahead is not None and self.session.conversation.has_unread
        return self.session.transactions < self._limit

    async def _send(self, job: Job) -> None:
        began = monotonic()
        try:
            result = await self.session.transact(job.envelope, job.call.content_timeout, self._following)
        except NotBegun as unlucky:
            if self._ahead:
                self._pool.put_back(self._ahead)
            self._job = self._ahead = None
            self._pool.not_begun(self, job, unlucky.result)
        else:
            self._job = None
            self._pool.settled(self, job, result, monotonic() - began)

    def _following(self) -> Envelope | None:
        """Return the mail whose commands may leave behind the content of the one under way."""
        if self.session.transactions < self._limit:
            self._ahead = self._next()
        return self._ahead.envelope if self._ahead else None

    def _next(self) -> Job | None:
        """Return the next mail that can be handed to this server; the others are settled on the way."""
        while job := self._pool.take():
            obstacle = self.session.obstacle(job.envelope)
            if not obstacle:
                return job
            job.call.settle(job, self.session.unspoken(job.envelope, obstacle))
        return None

    async def _until_woken(self) -> bool:
        """Rest until there is work, and return whether to go on."""
        loop = asyncio.get_running_loop()
        self._rest = loop.create_future()
        leaving = loop.call_later(self._pool.server.idle_seconds, self._time_to_leave)
        self._pool.resting.append(self)
        try:
            return await self._rest
        finally:
            leaving.cancel()
            self._rest = None

    def _time_to_leave(self) -> None:
        self.wake(stay=False)

    def _wake_up(self) -> None:
        self.wake(stay=True)
