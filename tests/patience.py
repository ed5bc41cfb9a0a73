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

STEP = 0.5  # seconds that pass at a time
LOOK = 0.005  # seconds on other clocks between two looks whether something has happened
TURNS = 10  # of a server's loop, after which it has done what it can

servers: set[asyncio.AbstractEventLoop] = set()  # the loops of those that run
clients: set["PatientLoop"] = set()


async def pause(seconds: float) -> None:
    """Let a server wait by the clock of its client, or by the usual one if that is the client's."""
    if not clients:
        await asyncio.sleep(seconds)
        return
    (clock,) = clients
    end = clock.passed + seconds
    while clock.passed < end and clock in clients:
        await asyncio.sleep(0.001)


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
        turns = Turns() if timeout and servers else None
        while True:
            events = super().select(min(timeout, LOOK) if timeout else timeout)
            if events or not timeout:
                return events
            if turns is None:
                self.loop.passed += LOOK
                return events
            if turns.are_over and not self.loop.threads:
                # What a server said in its turns can be read by now.
                events = super().select(0)
                self.loop.passed += 0 if events else min(STEP, timeout)
                return events


class PatientLoop(asyncio.SelectorEventLoop):
    """The loop, one at a time. Where no server runs its clock is as fast as others."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.threads = 0  # that look up names for it
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        clients.add(self)

    def close(self) -> None:
        clients.discard(self)
        super().close()

    def time(self) -> float:
        return self.passed

    def run_in_executor(self, executor, func, *args):
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
