"""The base of drivers that send each message on its own: one call of a program, or one request to a provider."""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from mailadmin.drivers.base import Driver, crash_error, error_result, stopped_error
from mailadmin.errors import ConnectFailed, DeliveryError, SignInRefused, TLSFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mailadmin.drivers.base import Envelope, Result, RevealedConnection


logger = logging.getLogger(__name__)


class PerMessageDriver(Driver):
    """Sends the messages of a batch a few at a time, the first one alone.

    A failure to connect or to sign in is the result of the rest of the batch as well, so that a wrong password is tried
    once.
    """

    max_concurrent: int = 4  # messages of one batch that are sent at a time

    def __init__(self) -> None:
        self._stop_requests: set[threading.Event] = set()  # one per `send` under way
        self._waiting: dict[int, asyncio.Task[Result]] = {}  # by the ids of messages that have not begun
        self._withdrawn: set[int] = set()

    @abstractmethod
    async def send_one(self, envelope: Envelope, connection: RevealedConnection | None) -> Result:
        """Send one message and return its result. Raises DeliveryError; its start and duration are added."""

    async def send(
        self,
        envelopes: Sequence[Envelope],
        connection: RevealedConnection | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Send each envelope by `send_one`."""
        free, stop_request, first_is_over = asyncio.Semaphore(self.max_concurrent), threading.Event(), asyncio.Event()
        common_error: DeliveryError | None = None
        self._stop_requests.add(stop_request)

        async def deliver(envelope: Envelope) -> Result:
            try:
                if envelope is not envelopes[0]:
                    await first_is_over.wait()
                result = await deliver_at_its_turn(envelope)
            except asyncio.CancelledError:
                if envelope.id not in self._withdrawn:
                    raise
                self._withdrawn.discard(envelope.id)
                result = error_result(envelope, stopped_error())
            finally:
                self._waiting.pop(envelope.id, None)
                first_is_over.set()
            if on_result:
                on_result(envelope, result)
            return result

        async def deliver_at_its_turn(envelope: Envelope) -> Result:
            nonlocal common_error
            async with free:
                self._waiting.pop(envelope.id, None)
                if stop_request.is_set():
                    result = error_result(envelope, stopped_error())
                elif common_error:
                    result = error_result(envelope, common_error)
                else:
                    result = await self._timed(envelope, connection)
                    if connection and isinstance(result.error, ConnectFailed | SignInRefused | TLSFailed):
                        common_error = result.error
            return result

        tasks = {envelope.id: asyncio.ensure_future(deliver(envelope)) for envelope in envelopes}
        self._waiting.update(tasks)
        try:
            return list(await asyncio.gather(*tasks.values()))
        finally:
            self._stop_requests.discard(stop_request)

    async def _timed(self, envelope: Envelope, connection: RevealedConnection | None) -> Result:
        started_at, started = datetime.now(UTC), monotonic()
        try:
            result = await self.send_one(envelope, connection)
        except DeliveryError as error:
            result = error_result(envelope, error)
        except Exception as error:
            logger.exception("The driver %s failed on message %d.", self.key, envelope.id)
            result = error_result(envelope, crash_error(error))
        return replace(result, started_at=started_at, duration_ms=round((monotonic() - started) * 1000))

    async def withdraw(self, ids: Collection[int]) -> None:
        """Take out those of the messages `ids` whose turn has not come."""
        for number in ids:
            if task := self._waiting.pop(number, None):
                self._withdrawn.add(number)
                task.cancel()

    async def stop(self, seconds: float) -> None:
        """Let what has been started end in its own time, and start nothing else."""
        for request in list(self._stop_requests):
            request.set()
