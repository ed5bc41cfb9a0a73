"""Threads for requests that have arrived, shared out so that no client and no kind of request takes them all."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from config.webserver.limits import Limits


class Busy(Exception):
    """Too many requests wait for a thread already."""


class Lane:
    """Threads for one kind of request, and the queue in front of them.

    One client gets at most `per_client` threads and `queue_per_client` places; its further requests wait while those of
    others go ahead. To be used in one event loop.
    """

    def __init__(self, name: str, *, threads: int, per_client: int, queue: int, queue_per_client: int) -> None:
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self.free = threads
        self.per_client = per_client
        self.queue, self.queue_per_client = queue, queue_per_client
        self.running: Counter[str] = Counter()
        self.queued: Counter[str] = Counter()
        self.turns: dict[asyncio.Future[None], str] = {}  # who waits, in order

    async def submit(self, client: str, call: Callable[[], None]) -> Future[None]:
        """Start `call` in a thread as soon as it is `client`'s turn. Raises Busy if that would take too long."""
        loop = asyncio.get_running_loop()
        if self._may_start(client) and not self.turns:
            self._occupy(client)
        else:
            await self._turn(client, loop)
        future = self.executor.submit(call)
        future.add_done_callback(lambda done: self._tell(loop, client))
        return future

    def _may_start(self, client: str) -> bool:
        return self.free > 0 and self.running[client] < self.per_client

    def _occupy(self, client: str) -> None:
        self.free -= 1
        self.running[client] += 1

    async def _turn(self, client: str, loop: asyncio.AbstractEventLoop) -> None:
        if len(self.turns) >= self.queue or self.queued[client] >= self.queue_per_client:
            raise Busy
        turn = loop.create_future()
        self.turns[turn] = client
        self.queued[client] += 1
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(client)
            raise
        finally:
            self.turns.pop(turn, None)
            self.queued[client] -= 1
            if not self.queued[client]:
                del self.queued[client]

    def _tell(self, loop: asyncio.AbstractEventLoop, client: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all turns
            loop.call_soon_threadsafe(self._leave, client)

    def _leave(self, client: str) -> None:
        self.free += 1
        self.running[client] -= 1
        if not self.running[client]:
            del self.running[client]
        self._next()

    def _next(self) -> None:
        """Give free threads to the first in the queue whose clients may have one."""
        for turn, client in list(self.turns.items()):
            if self.free <= 0:
                break
            if not turn.done() and self._may_start(client):
                self._occupy(client)
                del self.turns[turn]
                turn.set_result(None)


class RequestThreads:
    """The lanes of a process."""

    def __init__(self, limits: Limits) -> None:
        self.pages = Lane(
            "pages",
            threads=limits.threads,
            per_client=limits.threads_per_client,
            queue=limits.queue,
            queue_per_client=limits.queue_per_client,
        )
        self.passwords = Lane(
            "passwords",
            threads=limits.password_threads,
            per_client=limits.password_threads_per_client,
            queue=limits.queue,
            queue_per_client=limits.queue_per_client,
        )
        self.health = Lane(
            "healthz", threads=1, per_client=1, queue=limits.queue, queue_per_client=limits.queue_per_client
        )

    def lane(self, method: str, path: str) -> Lane:
        """Return the lane for a request: a monitor is answered, and pages open, whatever is tried at the sign-in."""
        if path == "/healthz":
            return self.health
        if method == "POST" and path.startswith(("/account/", "/setup/")):
            return self.passwords
        return self.pages
