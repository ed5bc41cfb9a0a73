"""Runs driver calls in the process's event loop and hands each result back as soon as it is known.

The loop's side of delivery: never touches the database, never decides about a message.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from mailadmin.delivery.in_flight import Completion, CompletionQueue, InFlight, envelope
from mailadmin.drivers import event_loop, registry
from mailadmin.errors import Phase, Stopped

if TYPE_CHECKING:
    from mailadmin.connections.routing import Route
    from mailadmin.drivers.base import Envelope, Result

STOP_CHECK_SECONDS = 0.5  # how soon a request to stop is noticed while nothing comes back
STOP_SECONDS = 12.0  # for transactions that are running when asked to stop; then their connections are closed


class Submitter:
    """Starts driver calls. Every delivery comes back through `completions` exactly once."""

    def __init__(self) -> None:
        self.completions = CompletionQueue()
        self.stopping = threading.Event()  # once set, nothing more starts

    def submit(self, route: Route, deliveries: Sequence[InFlight], *, delay: float = 0.0) -> None:
        """Start one driver call, after `delay` seconds."""
        by_id = {delivery.mail.id: delivery for delivery in deliveries}
        open_ids = set(by_id)

        def on_result(envelope: Envelope, result: Result) -> None:
            open_ids.discard(envelope.id)
            self.completions.add(Completion(by_id[envelope.id], result))

        def on_end(future: Future[list[Result]]) -> None:
            error = future.exception() if not future.cancelled() else asyncio.CancelledError()
            for number in open_ids:
                self.completions.add(Completion(by_id[number], error or RuntimeError("the driver gave no result")))

        for delivery in deliveries:
            delivery.driver = route.driver.key
        envelopes = [envelope(delivery.mail) for delivery in deliveries]

        async def call() -> list[Result]:
            await self.wait_to_start(delay)
            return await route.driver.send(envelopes, route.revealed, on_result=on_result)

        asyncio.run_coroutine_threadsafe(call(), event_loop.process_loop()).add_done_callback(on_end)

    async def wait_to_start(self, delay: float) -> None:
        """Wait for `delay` seconds. Raises Stopped if nothing more may start."""
        start = monotonic() + delay
        while not self.stopping.is_set():
            rest = start - monotonic()
            if rest <= 0:
                return
            await asyncio.sleep(min(rest, STOP_CHECK_SECONDS))
        raise Stopped(gettext("Sending was stopped."), permanent=False, phase=Phase.CONNECT)

    def stop_starting(self) -> None:
        """Let running transactions finish within STOP_SECONDS; every other message completes at once as Stopped."""
        if not self.stopping.is_set():
            self.stopping.set()
            for driver in registry.drivers():
                asyncio.run_coroutine_threadsafe(driver.stop(STOP_SECONDS), event_loop.process_loop())
