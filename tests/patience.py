"""A loop for those who talk to the SMTP servers of the tests: nobody is given up because the machine is busy.

Its clock stands still while the client or a server has something left to do, however long that takes on a machine that
does other things. Once all of them have nothing to do but to wait for one another, it goes on, a hundred times as fast
as other clocks: a server that says nothing more is given up at once, and not before. Servers that take their time do so
by the same clock. `time.monotonic` goes on as ever.
"""

import asyncio
import contextlib
import selectors
import threading
from typing import NamedTuple

STEP = 0.5  # seconds that pass at a time, at most
LOOK = 0.002  # seconds on other clocks between two looks whether something has happened
BEGIN = 1000.0  # which has no meaning, as that of `time.monotonic`
TURNS = 10  # of a server's loop, after which it has done what it can

servers: set[asyncio.AbstractEventLoop] = set()  # the loops of those that run
clients: set["PatientLoop"] = set()


class Pause(NamedTuple):
    """A server takes its time until `end`; then `over` is told."""

    end: float
    server: asyncio.AbstractEventLoop
    over: asyncio.Event


pauses: set[Pause] = set()


async def pause(seconds: float) -> None:
    """Let a server wait by the clock of its client, or by the usual one if that is the client's."""
    if not clients:
        await asyncio.sleep(seconds)
        return
    (clock,) = clients
    own = Pause(clock.passed + seconds, asyncio.get_running_loop(), asyncio.Event())
    pauses.add(own)
    try:
        await own.over.wait()
    finally:
        pauses.discard(own)


class Turns:
    """Waits for every server to have done what it can do about what it has been told so far."""

    def __init__(self) -> None:
        self.waiting = set(servers)
        for server in tuple(self.waiting):
            self._ask(server)

    def _ask(self, server: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # it has just ended, and is not waited for
            server.call_soon_threadsafe(self._turn, server, TURNS)

    def _turn(self, server: asyncio.AbstractEventLoop, left: int) -> None:
        if left:
            server.call_soon(self._turn, server, left - 1)
        else:
            self.waiting.discard(server)

    @property
    def are_over(self) -> bool:
        return not any(server.is_running() for server in tuple(self.waiting))


class _Selector(selectors.DefaultSelector):
    """Lets time pass where there is nothing else to do."""

    loop: "PatientLoop"

    def select(self, timeout=None):
        if timeout is None and servers:
            timeout = STEP  # a server may be waiting, though the client is not
        turns = Turns() if timeout and servers else None
        while True:
            events = super().select(min(timeout, LOOK) if timeout else timeout)
            if events or not timeout:
                return events
            if turns is None:
                self.loop.pass_by(min(timeout, LOOK))
                return events
            if turns.are_over and not self.loop.threads:
                events = super().select(0)  # what a server said in its turns can be read by now
                if not events:
                    self.loop.pass_by(min(timeout, STEP))
                return events


class PatientLoop(asyncio.SelectorEventLoop):
    """The loop, one at a time. Where no server runs its clock is as fast as others."""

    def __init__(self) -> None:
        self.passed = BEGIN
        self.threads = 0  # that look up names for it
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        clients.add(self)

    def pass_by(self, seconds: float) -> None:
        """Let so much time pass, or less if a server has something to do by then."""
        ends = [one.end for one in tuple(pauses)]
        self.passed = min([self.passed + seconds, *ends])
        for one in tuple(pauses):
            if one.end <= self.passed:
                pauses.discard(one)
                with contextlib.suppress(RuntimeError):
                    one.server.call_soon_threadsafe(one.over.set)

    def close(self) -> None:
        clients.discard(self)
        super().close()

    def time(self) -> float:
        return self.passed

    def run_in_executor(self, executor, func, *args):  # type: ignore[override]
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_is_done)
        return future

    def _thread_is_done(self, _future: object) -> None:
        self.threads -= 1


def run(coroutine):
    """Run it as asyncio.run would, in a patient loop."""
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(coroutine)


@contextlib.contextmanager
def running():
    """A patient loop at work in a thread of its own."""
    loop = PatientLoop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
