"""Open connections to one server, shared by everything in this process that sends through it.

A pool belongs to an asyncio loop (that of `mailadmin.drivers.event_loop`, in a forked process another one) and to a
server with all its settings: who changes the password uses another pool. Connections stay open between two calls of
`send` and leave when they have rested for a while.

One dial decides: while no connection is open only one is tried, and if that fails, everybody who waits for it gets its
failure; so a wrong password is tried once. More connections are dialed one at a time, when it takes the open ones
longer to send what waits than it takes to dial, each after a mail has gone through the one before. Where such a
further one is refused (`421 too many connections`), the pool makes do with those it has.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.smtp.connecting import connect
from mailadmin.drivers.smtp.pool_batches import Call, Job, Turns
from mailadmin.drivers.smtp.pool_connection import Lane
from mailadmin.errors import ConversationBroken, DeliveryError, Phase, SignInRefused, TLSFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailadmin.drivers.base import Envelope, Result
    from mailadmin.drivers.smtp.driver import SmtpServer
    from mailadmin.drivers.smtp.session import Session

SHRUNK_SECONDS = 60.0  # how long no further connection is tried after one was refused
SEQUENTIAL_SECONDS = 600.0  # how long a server that broke a pipelined conversation gets one command at a time
STALL_SECONDS = 0.5  # mails that wait as long, and as long as a dial takes, without any being sent, get a connection
CLOSE_SECONDS = 5.0

_pools: dict[asyncio.AbstractEventLoop, dict[SmtpServer, Pool]] = {}


class Stopped(DeliveryError):
    """The pool was closed before the mail's turn came: nothing was tried, the server is not at fault."""


def pool_for(server: SmtpServer) -> Pool:
    """Return the running loop's pool for `server`, a new one where there is none."""
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        for other in [other for other in list(_pools) if other.is_closed()]:
            _pools.pop(other, None)
        _pools[loop] = {}
    key = replace(server, content_timeout=0.0)
    pools = _pools[loop]
    if key not in pools:
        pools[key] = Pool(key, loop)
    return pools[key]


async def close_all(seconds: float = CLOSE_SECONDS) -> None:
    """Close the running loop's pools: let mails under way finish for at most `seconds`, say QUIT, disconnect.

    Mails whose turn had not come get a deferred result with the error Stopped. From another thread:
    ``loop.run(close_all())``.
    """
    pools = _pools.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(pool.close(seconds) for pool in pools.values()))


class Pool:
    """The open connections to one server. `resting` ones have no work at the moment, the latest last."""

    def __init__(self, server: SmtpServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.resting: list[Lane] = []
        self.is_closing = False
        self._loop = loop
        self._turns = Turns()
        self._lanes: set[Lane] = set()
        self._dialing: asyncio.Task[None] | None = None
        self._dial_seconds = 0.0  # how long the last dial took
        self._mail_seconds = 0.0  # how long a mail takes one connection, lately
        self._unproven: Lane | None = None  # the latest connection, until a mail has gone through it
        self._limit = self._most = max(1, server.max_connections)
        self._shrunk_until = self._sequential_until = 0.0
        self._taken = 0  # mails that were given to connections, ever
        self._stall: asyncio.TimerHandle | None = None

    async def send(
        self,
        envelopes: Sequence[Envelope],
        *,
        content_timeout: float,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Send all envelopes and return their results in order; cancelling disconnects those under way."""
        if not envelopes:
            return []
        call = Call(
            envelopes,
            host=self.server.endpoint,
            content_timeout=content_timeout,
            on_result=on_result,
            finished=self._loop.create_future(),
        )
        self._turns.add(call)
        self._rouse()
        try:
            await call.finished
        except BaseException:
            self._turns.drop(call)
            for lane in list(self._lanes):
                lane.abandon(call)
            raise
        return call.results

    async def close(self, seconds: float) -> None:
        """Let every connection finish its mail and say goodbye; what is not done after `seconds` is aborted."""
        self.is_closing = True
        stopped = Stopped(_("Sending was stopped."), permanent=False, phase=Phase.CONNECT)
        for call in self._turns.calls:
            call.fail(stopped)
        if self._stall:
            self._stall.cancel()
        tasks = [lane.task for lane in self._lanes]
        if self._dialing:
            self._dialing.cancel()
            tasks.append(self._dialing)
        for lane in list(self.resting):
            lane.wake(stay=False)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for lane in list(self._lanes):
            lane.session.abort()
        if tasks:
            await asyncio.wait(tasks)

    # ------------------------------------------------------------ what the connections call

    def take(self) -> Job | None:
        """Return the mail whose turn it is, or None."""
        job = self._turns.take()
        self._taken += job is not None
        return job

    def settled(self, lane: Lane, job: Job, result: Result, seconds: float) -> None:
        """Note what came of a mail that took `seconds`."""
        if lane is self._unproven:
            self._unproven = None
        if isinstance(result.error, ConversationBroken):
            self._broke(lane, job, result.error)
        elif isinstance(result.error, SignInRefused | TLSFailed):  # 530: it would be said to every mail
            job.call.fail(result.error)
        else:
            self._mail_seconds += (seconds - self._mail_seconds) * (0.2 if self._mail_seconds else 1.0)
        job.call.settle(job, result)
        if self._turns:
            self._rouse()

    def not_begun(self, lane: Lane, job: Job, result: Result) -> None:
        """Put a mail back, once, if the connection that ended before it was begun had served others.

        So is one whose first mail is met by 421 while others are open: it was one too many.
        """
        session, able = lane.session, self._able()
        is_used = session.transactions > 1
        is_one_too_many = not is_used and able > 0 and result.code == 421
        if job.has_gone_again or not (is_used or is_one_too_many):
            self.settled(lane, job, result, 0.0)
            return
        if is_one_too_many:
            self._shrink(able)
        else:
            for other in list(self.resting):  # they may have been lost in the same way, unnoticed
                other.wake(stay=False)
            if session.conversation.has_timed_out:
                self._distrust(session)
        job.has_gone_again = True
        self._turns.put_back(job)

    def put_back(self, job: Job) -> None:
        """Let a mail whose turn had come too early be the next of its call."""
        self._turns.put_back(job)

    def left(self, lane: Lane) -> None:
        """Forget a connection; another one is dialed if it is needed."""
        self._lanes.discard(lane)
        if lane is self._unproven:
            self._unproven = None
        self._rouse()
        self._forget_if_unused()

    # ------------------------------------------------------------ how many connections there are

    def _able(self) -> int:
        """Return how many connections take mails."""
        return sum(not lane.is_leaving and lane.session.is_usable for lane in self._lanes)

    def _rouse(self) -> None:
        """See to it that what waits is taken: by resting connections, or by another one."""
        if self.is_closing or not self._turns:
            return
        woken = min(len(self.resting), self._turns.waiting) if self.resting else 0
        for _each in range(woken):
            self.resting[-1].wake(stay=True)
        if self._dialing is None and len(self._lanes) < self._most:
            able = self._able()
            if not able or self._is_worth_another(able, self._turns.waiting - woken):
                self._dial(able)

    def _is_worth_another(self, able: int, waiting: int) -> bool:
        """Tell whether `waiting` mails take the open connections longer than dialing another one."""
        if self._limit < self._most and monotonic() > self._shrunk_until:
            self._limit = self._most
        if len(self._lanes) >= self._limit:
            return False
        beyond = waiting - able  # each of the open ones is about to take one
        if not self._unproven and beyond * self._mail_seconds > self._dial_seconds * able:
            return True
        if waiting and self._stall is None:
            self._stall = self._loop.call_later(max(self._dial_seconds, STALL_SECONDS), self._look_again, self._taken)
        return False

    def _look_again(self, taken: int) -> None:
        """Dial another connection if no mail has been taken since."""
        self._stall = None
        if taken != self._taken:
            self._rouse()
        elif self._turns and not (self.is_closing or self._dialing):
            able = self._able()
            if not able or len(self._lanes) < self._limit:
                self._dial(able)

    def _dial(self, able: int) -> None:
        self._dialing = self._loop.create_task(self._connect(is_further=able > 0), name=f"to {self.server.endpoint}")

    async def _connect(self, *, is_further: bool) -> None:
        began = monotonic()
        try:
            session = await connect(self.server)
        except DeliveryError as failure:
            self._dialing = None
            self._could_not_connect(failure)
        except BaseException as error:
            self._dialing = None
            if not self.is_closing:  # else what waited has its results, and what is under way gets them
                for call in self._turns.calls:
                    call.crash(error)
            raise
        else:
            self._dialing = None
            self._dial_seconds = monotonic() - began
            self._connected(session, is_further=is_further)

    def _connected(self, session: Session, *, is_further: bool) -> None:
        if is_further:  # nobody has been waiting for just this
            session.forget_dialing()
        session.pipelines = session.pipelines and monotonic() > self._sequential_until
        self._unproven = Lane(self, session)
        self._lanes.add(self._unproven)
        self._rouse()

    def _could_not_connect(self, failure: DeliveryError) -> None:
        able = self._able()
        if able:
            self._shrink(able)
            return
        for call in self._turns.calls:
            call.fail(failure)
        self._forget_if_unused()

    def _shrink(self, connections: int) -> None:
        self._limit = max(1, connections)
        self._shrunk_until = monotonic() + SHRUNK_SECONDS

    def _broke(self, lane: Lane, job: Job, failure: ConversationBroken) -> None:
        """Note that a conversation broke during a mail, unless it was given up here."""
        if job.call.finished.done():
            return
        self._distrust(lane.session)
        job.call.count_break(lane.session.dialed, monotonic(), failure)

    def _distrust(self, session: Session) -> None:
        """Say one thing at a time from here on, for a while: some servers announce pipelining and cannot do it."""
        if session.pipelines:
            self._sequential_until = monotonic() + SEQUENTIAL_SECONDS
            for lane in self._lanes:
                lane.session.pipelines = False

    def _forget_if_unused(self) -> None:
        """Drop this pool once there is nothing in it, nor anything that it had better remember."""
        if self._lanes or self._dialing or self._turns:
            return
        pools = _pools.get(self._loop, {})
        remembered = max(self._shrunk_until, self._sequential_until) - monotonic()
        if remembered > 0:
            self._loop.call_later(remembered, self._forget_if_unused)
        elif pools.get(self.server) is self:
            del pools[self.server]
