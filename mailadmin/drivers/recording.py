"""The base of drivers that deliver nothing: a message is only recorded, in the log or in a file."""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailadmin.drivers.base import Driver, crash_error, error_result

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from mailadmin.drivers.base import Envelope, Result, RevealedConnection


Head = tuple[int, str]  # id and Message-ID of a recorded message
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMessage:
    """One message read back. `text` is the MIME text, only its beginning if `is_cut`."""

    id: int
    recorded_at: datetime
    message_id: str
    sender: str
    recipients: tuple[str, ...]
    text: str
    is_cut: bool = False


class RecordingDriver(Driver):
    """Records messages one after another. `has_events`: whether the page Events can show what it recorded."""

    delivers: bool = False
    has_events: bool = False

    @abstractmethod
    async def record(self, envelope: Envelope) -> Result:
        """Record one message and return its result."""

    def recorded(self, count: int) -> list[RecordedMessage]:
        """Return the last `count` messages, newest first. Raises OSError if they cannot be read."""
        return []

    def prune(self, expired: Callable[[Collection[Head]], Collection[Head]]) -> int:
        """Remove the records whose message is among `expired(heads)`, and return how many. Raises OSError."""
        return 0

    async def send(
        self,
        envelopes: Sequence[Envelope],
        connection: RevealedConnection | None,
        *,
        on_result: Callable[[Envelope, Result], None] | None = None,
    ) -> list[Result]:
        """Record each envelope."""
        results = []
        for envelope in envelopes:
            try:
                result = await self.record(envelope)
            except Exception as error:
                logger.exception("The driver %s failed on message %d.", self.key, envelope.id)
                result = error_result(envelope, crash_error(error))
            results.append(result)
            if on_result:
                on_result(envelope, result)
        return results
