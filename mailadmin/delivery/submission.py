"""Runs driver calls in the process's event loop and hands each result back as soon as it is known.

The loop's side of delivery: never touches the database, never decides about a message.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING

from mailadmin.delivery.in_flight import Completion, CompletionQueue, InFlight, envelope
from mailadmin.drivers import event_loop, registry
from mailadmin.drivers.base import stopped_error
from mailadmin.errors import Stopped

if TYPE_CHECKING:
    from mailadmin.connections.routing import Route
    from mailadmin.drivers.base import Envelope, Result

logger = logging.getLogger(__name__)

STOP_CHECK_SECONDS = 0.5  # how soon a request to stop is noticed while nothing comes back
STOP_SECONDS = 12.0  # for transactions that are running when asked to stop; then their connections are closed


class Submitter:
    """Starts driver calls. Every delivery comes back through `completions` exactly once."""

    def __init__(self) -> None:
        self.completions = CompletionQueue()
        self.stopping = threading.Event()  # once set, nothing more starts
        self.withdrawn: set[int] = set()  # ids of messages that are not to start

    def submit(self, route: Route, deliveries: Sequence[InFlight], *, delay: float = 0.0) -> None:
        """Start one driver call, after `delay` seconds.

        Where a driver raises instead of giving results, each message without one is given to it again, alone, so that
        only the message that is the cause fails.
        """
        by_id: dict[int, InFlight] = {}
        envelopes: list[Envelope] = []
        for delivery in deliveries:
            delivery.driver = route.driver.key
            try:
                envelopes.append(envelope(delivery.mail))
            except Exception as error:  # noqa: BLE001  (it is logged with the message's id where it is settled)
                self.completions.add(Completion(delivery, error))
            else:
                by_id[delivery.mail.id] = delivery
        if not envelopes:
            return
        unreported = dict(by_id)
        self.withdrawn.difference_update(by_id)

        def on_result(envelope: Envelope, result: Result) -> None:
            delivery = unreported.pop(envelope.id, None)
            if delivery:
                self.completions.add(Completion(delivery, result))
            else:
                logger.error("The driver %s reported message %d again.", route.driver.key, envelope.id)

        def on_end(future: Future[list[Result]]) -> None:
            error = asyncio.CancelledError() if future.cancelled() else future.exception()
            if error is None:
                for sent, result in zip(envelopes, future.result() or (), strict=False):
                    if sent.id in unreported:
                        on_result(sent, result)
            is_retried = isinstance(error, Exception) and not isinstance(error, Stopped) and len(by_id) > 1
            for number, delivery in list(unreported.items()):
                del unreported[number]
                if is_retried:
                    self.submit(route, [delivery])
                else:
                    self.completions.add(Completion(delivery, error or RuntimeError("the driver gave no result")))

        async def call() -> list[Result]:
            await self.wait_to_start(delay, by_id.keys())
            try:
                return await route.driver.send(envelopes, route.revealed, on_result=on_result)
            except (SystemExit, KeyboardInterrupt) as error:  # they would end the loop, and with it every delivery
                message = f"the driver raised {type(error).__name__}"
                raise RuntimeError(message) from error

        asyncio.run_coroutine_threadsafe(call(), event_loop.process_loop()).add_done_callback(on_end)

    async def wait_to_start(self, delay: float, ids: Collection[int]) -> None:
        """Wait for `delay` seconds. Raises Stopped if nothing more may start, or if all of `ids` are withdrawn."""
        start = monotonic() + delay
        while not self.stopping.is_set() and not self.withdrawn.issuperset(ids):
            rest = start - monotonic()
            if rest <= 0:
                return
            await asyncio.sleep(min(rest, STOP_CHECK_SECONDS))
        raise stopped_error()

    def withdraw(self, deliveries: Collection[InFlight]) -> None:
        """Start none of these; those that have not begun complete as Stopped."""
        ids = {delivery.mail.id for delivery in deliveries}
        self.withdrawn |= ids
        for driver in registry.drivers():
            asyncio.run_coroutine_threadsafe(driver.withdraw(ids), event_loop.process_loop())

    def stop_starting(self) -> None:
        """Let running transactions finish within STOP_SECONDS; every other message completes at once as Stopped."""
        if not self.stopping.is_set():
            self.stopping.set()
            for driver in registry.drivers():
                asyncio.run_coroutine_threadsafe(driver.stop(STOP_SECONDS), event_loop.process_loop())
