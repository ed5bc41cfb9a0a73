"""Open connections to one server, shared by everything in this process that sends through it.

A pool belongs to an asyncio loop (that of `mailadmin.drivers.event_loop`, another one in a forked process) and to a
server with all its settings: a changed password means another pool. Connections stay open between two calls of `send`
and close after they have been idle for a while.

One dial decides: while no connection is open only one is tried, and if it fails, everything that waits for it gets its
failure; so a wrong password is tried once. More connections are dialed one at a time, when the open ones would need
longer for what waits than a dial takes, each after a message has gone through the one before. Where such a further
connection is refused (`421 too many connections`), the pool makes do with those it has.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from mailadmin.drivers.base import crash_error, stopped_error
from mailadmin.drivers.smtp.connecting import connect
from mailadmin.drivers.smtp.pool_batches import Batch, FairQueue, Item
from mailadmin.drivers.smtp.pool_connection import PooledConnection
from mailadmin.errors import AccountLimited, ConversationBroken, DeliveryError, Phase, SignInRefused, TLSFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mailadmin.drivers.base import Envelope, Result
    from mailadmin.drivers.smtp.session import Session
    from mailadmin.drivers.smtp.smtp_server import SmtpServer

SHRUNK_SECONDS = 60.0  # how long no further connection is tried after one was refused
LIMITED_SECONDS = 600.0  # the same after the account has met one of its limits
SEQUENTIAL_SECONDS = 600.0  # how long a server that broke a pipelined conversation gets one command at a time
STALL_SECONDS = 0.5  # messages that wait as long, and as long as a dial takes, without any being sent, get a connection
CLOSE_SECONDS = 5.0

_pools: dict[asyncio.AbstractEventLoop, dict[SmtpServer, Pool]] = {}


def pool_for(server: SmtpServer) -> Pool:
    """Return the running loop's pool for `server`, creating it if needed."""
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
    """Close the running loop's pools: let messages under way finish for at most `seconds`, say QUIT, disconnect.

    Messages that were not started get a deferred result with the error Stopped.
    """
    pools = _pools.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(pool.close(seconds) for pool in pools.values()))


def withdraw(ids: Collection[int]) -> None:
    """Take the messages `ids` out of the running loop's pools, unless they have begun, with the error Stopped."""
    for pool in list(_pools.get(asyncio.get_running_loop(), {}).values()):
        for batch in pool._queue.batches:  # noqa: SLF001  (of this module's own class)
            batch.withdraw(ids)


class Pool:
    """The open connections to one server; `idle` are those without work at the moment, the latest last."""

    def __init__(self, server: SmtpServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.idle: list[PooledConnection] = []
        self.is_closing = False
        self._loop = loop
        self._queue = FairQueue()
        self._connections: set[PooledConnection] = set()
        self._dialing: asyncio.Task[None] | None = None
        self._dial_seconds = 0.0  # duration of the last dial
        self._message_seconds = 0.0  # moving average of how long a message takes one connection
        self._unproven: PooledConnection | None = None  # the newest connection, until a message has gone through it
        self._limit = self._most = max(1, server.max_connections)
        self._shrunk_until = self._sequential_until = 0.0
        self._taken = 0  # messages that connections have taken, ever
        self._stall_timer: asyncio.TimerHandle | None = None

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
        batch = Batch(envelopes, self.server.endpoint, content_timeout, on_result, self._loop.create_future())
        self._queue.add(batch)
        self._assign()
        try:
            await batch.finished
        except BaseException:
            self._queue.discard(batch)
            for connection in list(self._connections):
                connection.abandon(batch)
            raise
        return batch.results

    async def close(self, seconds: float) -> None:
        """Let every connection finish its message and say QUIT; what is not done after `seconds` is aborted."""
        self.is_closing = True
        for batch in self._queue.batches:
            batch.fail(stopped_error())
        if self._stall_timer:
            self._stall_timer.cancel()
        tasks = [connection.task for connection in self._connections]
        if self._dialing:
            self._dialing.cancel()
            tasks.append(self._dialing)
        for connection in list(self.idle):
            connection.wake(stay=False)
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for connection in list(self._connections):
            connection.session.abort()
        if tasks:
            await asyncio.wait(tasks)

    # ------------------------------------------------------------ what the connections call

    def take(self) -> Item | None:
        """Return the next message, or None."""
        item = self._queue.take()
        self._taken += item is not None
        return item

    def settled(self, connection: PooledConnection, item: Item, result: Result, seconds: float) -> None:
        """Record the result of a message that took `seconds`."""
        if connection is self._unproven:
            self._unproven = None
        if isinstance(result.error, ConversationBroken):
            self._record_break(connection, item, result.error)
        elif isinstance(result.error, SignInRefused | TLSFailed | AccountLimited):  # every message would get it
            for batch in {item.batch, *self._queue.batches}:
                batch.fail(result.error)
            if isinstance(result.error, AccountLimited):  # which may be about the number of connections
                self._shrink(self._usable() - 1, LIMITED_SECONDS)
        else:
            weight = 0.2 if self._message_seconds else 1.0
            self._message_seconds += (seconds - self._message_seconds) * weight
        item.batch.settle(item, result)
        if self._queue:
            self._assign()

    def not_started(self, connection: PooledConnection, item: Item, result: Result) -> None:
        """Requeue a message, once, if the connection that ended before it had served others.

        The same holds if a connection's first message gets 421 while others are open: the connection was one too many.
        """
        session, usable = connection.session, self._usable()
        is_used = session.transactions > 1 and not isinstance(result.error, AccountLimited)
        is_one_too_many = not is_used and usable > 0 and result.code == 421
        if item.was_requeued or not (is_used or is_one_too_many):
            self.settled(connection, item, result, 0.0)
            return
        if is_one_too_many:
            self._shrink(usable)
        else:
            for other in list(self.idle):  # they may have been lost in the same way, unnoticed
                other.wake(stay=False)
            if session.conversation.has_timed_out:
                self._stop_pipelining(session)
        item.was_requeued = True
        self._queue.requeue(item)

    def requeue(self, item: Item) -> None:
        """Make a message that was taken too early the next one of its batch."""
        self._queue.requeue(item)

    def closed(self, connection: PooledConnection) -> None:
        """Forget a connection; another one is dialed if needed."""
        self._connections.discard(connection)
        if connection is self._unproven:
            self._unproven = None
        self._assign()
        self._discard_if_unused()

    # ------------------------------------------------------------ how many connections there are

    def _usable(self) -> int:
        """Return how many connections take messages."""
        return sum(not connection.is_closing and connection.session.is_usable for connection in self._connections)

    def _assign(self) -> None:
        """Have waiting messages taken by idle connections, or by another connection."""
        if self.is_closing or not self._queue:
            return
        woken = min(len(self.idle), self._queue.waiting) if self.idle else 0
        for _each in range(woken):
            self.idle[-1].wake(stay=True)
        if self._dialing is None and len(self._connections) < self._most:
            usable = self._usable()
            if not usable or self._needs_another(usable, self._queue.waiting - woken):
                self._dial(usable)

    def _needs_another(self, usable: int, waiting: int) -> bool:
        """Whether `waiting` messages take the open connections longer than dialing another one."""
        if self._limit < self._most and monotonic() > self._shrunk_until:
            self._limit = self._most
        if len(self._connections) >= self._limit:
            return False
        beyond = waiting - usable  # each of the open ones is about to take one
        if not self._unproven and beyond * self._message_seconds > self._dial_seconds * usable:
            return True
        if waiting and self._stall_timer is None:
            seconds = max(self._dial_seconds, STALL_SECONDS)
            self._stall_timer = self._loop.call_later(seconds, self._check_stall, self._taken)
        return False

    def _check_stall(self, taken: int) -> None:
        """Dial another connection if no message has been taken since."""
        self._stall_timer = None
        if taken != self._taken:
            self._assign()
        elif self._queue and not (self.is_closing or self._dialing):
            usable = self._usable()
            if not usable or len(self._connections) < self._limit:
                self._dial(usable)

    def _dial(self, usable: int) -> None:
        self._dialing = self._loop.create_task(self._connect(is_further=usable > 0), name=f"to {self.server.endpoint}")

    async def _connect(self, *, is_further: bool) -> None:
        began = monotonic()
        try:
            session = await connect(self.server)
        except Exception as error:  # noqa: BLE001  (`connect` raises DeliveryError; anything else concerns only this server)
            self._dialing = None
            self._could_not_connect(error if isinstance(error, DeliveryError) else crash_error(error, Phase.CONNECT))
        except BaseException as error:
            self._dialing = None
            if not self.is_closing:  # otherwise what waited has its results, and what is under way gets them
                for batch in self._queue.batches:
                    batch.crash(error)
            raise
        else:
            self._dialing = None
            self._dial_seconds = monotonic() - began
            self._connected(session, is_further=is_further)

    def _connected(self, session: Session, *, is_further: bool) -> None:
        if is_further:  # no message was waiting for this very connection
            session.exclude_dial_time()
        session.pipelines = session.pipelines and monotonic() > self._sequential_until
        self._unproven = PooledConnection(self, session)
        self._connections.add(self._unproven)
        self._assign()

    def _could_not_connect(self, failure: DeliveryError) -> None:
        usable = self._usable()
        if usable:
            self._shrink(usable)
            return
        for batch in self._queue.batches:
            batch.fail(failure)
        self._discard_if_unused()

    def _shrink(self, connections: int, seconds: float = SHRUNK_SECONDS) -> None:
        self._limit = max(1, connections)
        self._shrunk_until = monotonic() + seconds

    def _record_break(self, connection: PooledConnection, item: Item, failure: ConversationBroken) -> None:
        """Record that a conversation broke during a message, unless it was cancelled here."""
        if item.batch.finished.done():
            return
        self._stop_pipelining(connection.session)
        item.batch.count_break(connection.session.dialed, monotonic(), failure)

    def _stop_pipelining(self, session: Session) -> None:
        """Send one command at a time for a while: some servers announce pipelining and cannot do it."""
        if session.pipelines:
            self._sequential_until = monotonic() + SEQUENTIAL_SECONDS
            for connection in self._connections:
                connection.session.pipelines = False

    def _discard_if_unused(self) -> None:
        """Drop this pool once it is empty and has nothing left to remember."""
        if self._connections or self._dialing or self._queue:
            return
        pools = _pools.get(self._loop, {})
        remembered = max(self._shrunk_until, self._sequential_until) - monotonic()
        if remembered > 0:
            self._loop.call_later(remembered, self._discard_if_unused)
        elif pools.get(self.server) is self:
            del pools[self.server]
