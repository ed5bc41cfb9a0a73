"""Calls of `send` that share a pool of connections: which message is next, and the results of each call."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mailadmin.drivers.base import stopped_error
from mailadmin.drivers.smtp.transaction import unconnected_result

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mailadmin.drivers.base import Envelope, RecipientResult, Result
    from mailadmin.errors import DeliveryError

logger = logging.getLogger(__name__)

MAX_BREAKS = 3  # conversations that may break within one batch before the rest of it is deferred


class Item:
    """One message of a batch. `was_requeued`: a connection ended before the message was started on it.

    `wire`: the envelope as the server can take it, without the recipients `refused`.
    """

    __slots__ = ("batch", "envelope", "number", "refused", "was_requeued", "wire")

    def __init__(self, batch: Batch, number: int, envelope: Envelope) -> None:
        self.batch = batch
        self.number = number
        self.envelope = self.wire = envelope
        self.refused: dict[str, RecipientResult] = {}
        self.was_requeued = False


class Batch:
    """The messages of one call of `send`. `finished` is done when each has its result, or when the call has failed."""

    def __init__(
        self,
        envelopes: Sequence[Envelope],
        host: str,
        content_timeout: float,
        on_result: Callable[[Envelope, Result], None] | None,
        finished: asyncio.Future[None],
    ) -> None:
        self.content_timeout = content_timeout
        self.waiting = deque(Item(self, number, envelope) for number, envelope in enumerate(envelopes))
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
        """The results so far, in the order of the messages."""
        return [result for result in self._results if result is not None]

    def settle(self, item: Item, result: Result) -> None:
        """Keep the result of one message and report it."""
        if self.finished.done() or self._results[item.number] is not None:
            return  # the caller no longer waits for it, or has it
        self._results[item.number] = result
        self._open -= 1
        if self._on_result:
            try:
                self._on_result(item.envelope, result)
            except Exception:  # a mistake of the caller's, who gets this result at the end all the same
                logger.exception("The result of message %d could not be reported.", item.envelope.id)
        if not self._open and not self.finished.done():
            self.finished.set_result(None)

    def defer(self, item: Item, failure: DeliveryError) -> None:
        """Settle a message that is not sent because of `failure`."""
        seconds, self._begun = monotonic() - self._begun, monotonic()  # the first message took it, the others none
        self.settle(item, unconnected_result(item.envelope, self._host, failure, seconds=seconds))

    def fail(self, failure: DeliveryError) -> None:
        """Defer every message that still waits, and those that are requeued later."""
        self.failure = failure
        while self.waiting:
            self.defer(self.waiting.popleft(), failure)

    def withdraw(self, ids: Collection[int]) -> None:
        """Settle those of the messages `ids` that still wait as Stopped."""
        withdrawn = [item for item in self.waiting if item.envelope.id in ids]
        self.waiting = deque(item for item in self.waiting if item.envelope.id not in ids)
        for item in withdrawn:
            self.defer(item, stopped_error())

    def count_break(self, dialed: float, now: float, failure: DeliveryError) -> None:
        """Count a conversation that broke during one of the batch's messages; the third one defers the rest.

        Connections that were open when the last one broke do not count again: `dialed` is when the broken one was
        dialed, on the same clock as `now`.
        """
        if dialed < self._last_break:
            return
        self._last_break = now
        self._breaks += 1
        if self._breaks >= MAX_BREAKS and not self.failure:
            self.fail(failure)

    def crash(self, error: BaseException) -> None:
        """Raise `error`, a programming error, from `send`."""
        if isinstance(error, asyncio.CancelledError):
            self.finished.cancel()
        elif not self.finished.done():
            self.finished.set_exception(error)


class FairQueue:
    """Batches take turns, one message at a time, however many messages each has."""

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return sum(len(batch.waiting) for batch in self._batches)

    @property
    def batches(self) -> list[Batch]:
        """The batches with waiting messages."""
        return list(self._batches)

    def __bool__(self) -> bool:
        while self._batches and not self._batches[0].waiting:
            self._batches.popleft()
        return bool(self._batches)

    def add(self, batch: Batch) -> None:
        """Queue the messages of `batch`."""
        self._batches.append(batch)

    def take(self) -> Item | None:
        """Return the next message, or None."""
        if not self:
            return None
        batch = self._batches[0]
        item = batch.waiting.popleft()
        self._batches.rotate(-1)
        return item

    def requeue(self, item: Item) -> None:
        """Make a message that was not started the next one of its batch."""
        batch = item.batch
        if batch.finished.done():
            return
        if batch.failure:
            batch.defer(item, batch.failure)
            return
        batch.waiting.appendleft(item)
        if batch not in self._batches:
            self._batches.append(batch)

    def discard(self, batch: Batch) -> None:
        """Forget the messages of `batch`."""
        batch.waiting.clear()
        if batch in self._batches:
            self._batches.remove(batch)
