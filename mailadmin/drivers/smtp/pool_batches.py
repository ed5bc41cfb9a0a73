"""Calls of `send` that share a pool of connections: whose mail is next, and what every call gets back."""

from __future__ import annotations

import asyncio
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mailadmin.drivers.smtp.transaction import unsent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailadmin.drivers.base import Envelope, Result
    from mailadmin.errors import DeliveryError

MAX_BREAKS = 3  # conversations that may break within one call before the rest of its mails waits


class Job:
    """One mail of a call. `has_gone_again`: it was once put back because a connection ended before it was begun."""

    __slots__ = ("call", "envelope", "has_gone_again", "number")

    def __init__(self, call: Call, number: int, envelope: Envelope) -> None:
        self.call = call
        self.number = number
        self.envelope = envelope
        self.has_gone_again = False


class Call:
    """One call of `send`. `finished` is done when every mail has its result, or when the call has failed itself."""

    def __init__(
        self,
        envelopes: Sequence[Envelope],
        *,
        host: str,
        content_timeout: float,
        on_result: Callable[[Envelope, Result], None] | None,
        finished: asyncio.Future[None],
    ) -> None:
        self.content_timeout = content_timeout
        self.waiting = deque(Job(self, number, envelope) for number, envelope in enumerate(envelopes))
        self.finished = finished
        self.failure: DeliveryError | None = None
        self._host = host
        self._on_result = on_result
        self._results: list[Result | None] = [None] * len(envelopes)
        self._open = len(envelopes)
        self._breaks = 0
        self._last_break = -inf
        self._begun = monotonic()

    @property
    def results(self) -> list[Result]:
        """Return the results in the order of the mails."""
        return [result for result in self._results if result is not None]

    def settle(self, job: Job, result: Result) -> None:
        """Keep the result of one mail and tell of it."""
        if self.finished.done():
            return  # nobody waits for it any more
        self._results[job.number] = result
        self._open -= 1
        if self._on_result:
            try:
                self._on_result(job.envelope, result)
            except Exception as error:  # noqa: BLE001  (a mistake of the caller's: raised there, not in the pool)
                self.crash(error)
        if not self._open and not self.finished.done():
            self.finished.set_result(None)

    def defer(self, job: Job) -> None:
        """Settle a mail that is not sent because of the call's failure."""
        assert self.failure  # noqa: S101  (for the type checker)
        seconds, self._begun = monotonic() - self._begun, monotonic()  # the first mail took the time, the others none
        self.settle(job, unsent(job.envelope, self._host, self.failure, seconds=seconds))

    def fail(self, failure: DeliveryError) -> None:
        """Put off every mail that still waits, and those that come back."""
        self.failure = failure
        while self.waiting:
            self.defer(self.waiting.popleft())

    def count_break(self, dialed: float, now: float, failure: DeliveryError) -> None:
        """Note that a conversation broke during one of the call's mails; the third time the rest waits.

        Connections that were open when the last one broke do not count again: `dialed` tells when the broken one was
        made, on the same clock as `now`.
        """
        if dialed < self._last_break:
            return
        self._last_break = now
        self._breaks += 1
        if self._breaks >= MAX_BREAKS and not self.failure:
            self.fail(failure)

    def crash(self, error: BaseException) -> None:
        """Raise `error`, a mistake in a program, from `send`."""
        if isinstance(error, asyncio.CancelledError):
            self.finished.cancel()
        elif not self.finished.done():
            self.finished.set_exception(error)


class Turns:
    """Whose mail is next: every call has its turn, one mail at a time, however many it brought."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()

    @property
    def waiting(self) -> int:
        """How many mails wait."""
        return sum(len(call.waiting) for call in self._calls)

    @property
    def calls(self) -> list[Call]:
        """Return the calls whose mails wait."""
        return list(self._calls)

    def __bool__(self) -> bool:
        """Tell whether a mail waits."""
        while self._calls and not self._calls[0].waiting:
            self._calls.popleft()
        return bool(self._calls)

    def add(self, call: Call) -> None:
        """Let the mails of `call` wait for their turn."""
        self._calls.append(call)

    def take(self) -> Job | None:
        """Return the mail whose turn it is, or None."""
        if not self:
            return None
        call = self._calls[0]
        job = call.waiting.popleft()
        self._calls.rotate(-1)
        return job

    def put_back(self, job: Job) -> None:
        """Let a mail that was not begun be its call's next."""
        call = job.call
        if call.finished.done():
            return
        if call.failure:
            call.defer(job)
            return
        call.waiting.appendleft(job)
        if call not in self._calls:
            self._calls.append(call)

    def drop(self, call: Call) -> None:
        """Forget the mails of `call`."""
        call.waiting.clear()
        if call in self._calls:
            self._calls.remove(call)
