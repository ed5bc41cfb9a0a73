"""One mail on its way through the engine: what is handed to a driver, and what comes back."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext

from mailadmin.drivers.base import Envelope, RecipientResult, Result
from mailadmin.drivers.transcript import Transcript
from mailadmin.errors import DeliveryError, Phase
from mailadmin.message.addresses import parse_address
from mailadmin.models import SendMode
from maillog.content import transcripts
from maillog.outcomes import AttemptRecord
from maillog.queue.claiming import ClaimedMessage
from secrets_app.vault import Connection

logger = logging.getLogger(__name__)

# Seconds to wait for the answer to the final dot where nobody is waiting: RFC 5321 section 4.5.3.2.6.
CONTENT_TIMEOUT = 600.0


@dataclass(slots=True, eq=False)
class InFlight:
    """One claimed mail on its way, with the attempts that already failed for the sake of a connection."""

    mail: ClaimedMessage
    tried: frozenset[str] = frozenset()
    failovers: list[AttemptRecord] = field(default_factory=list)
    connection: Connection | None = None
    driver: str = ""  # the key of the driver that has it


class Completion(NamedTuple):
    """What the loop hands back: the result of a flight, or the error that was raised instead of one."""

    flight: InFlight
    result: Result | BaseException


class CompletionQueue:
    """What has landed, handed from the loop's thread to the one that writes it down.

    A queue would wake that thread for every mail, and each waking takes the interpreter away from the loop in the
    middle of its work. This wakes it twice a batch: when the first has landed, and when as many are there as it wants.
    """

    def __init__(self) -> None:
        self._landed: deque[Completion] = deque()
        self._wanted = 1
        self._some = threading.Event()
        self._enough = threading.Event()

    def put(self, landing: Completion) -> None:
        """Add one; for any thread."""
        self._landed.append(landing)
        if not self._some.is_set():
            self._some.set()
        if len(self._landed) >= self._wanted and not self._enough.is_set():
            self._enough.set()

    def take(self, most: int, *, patience: float, linger: float) -> list[Completion]:
        """Return up to `most`, for one thread: what is there `linger` seconds after the first, or earlier if all are.

        Nothing, if nothing lands for `patience` seconds; rarely nothing also earlier.
        """
        if not self._some.wait(patience):
            return []
        self._wanted = most
        if len(self._landed) < most:
            self._enough.wait(linger)
        # Cleared before they are taken: what lands from here on is told anew.
        self._enough.clear()
        self._some.clear()
        found = [self._landed.popleft() for _ in range(min(most, len(self._landed)))]
        if self._landed:
            self._some.set()
        return found


def content_timeout(mail: ClaimedMessage) -> float:
    """Return how long the answer to the final dot may take, 0 for the connection's own timeout."""
    return 0.0 if mail.mode == SendMode.INSTANT else CONTENT_TIMEOUT


def crash_result(flight: InFlight, error: BaseException) -> Result:
    """Return the result of a mail whose driver raised: a fault of ours, so it is tried again and looked into."""
    logger.error("The driver failed over mail %d.", flight.mail.id, exc_info=error)
    text = gettext("The driver failed: %s") % type(error).__name__
    each = RecipientResult(outcome="deferred", reply=text)
    return Result(
        outcome="deferred",
        recipients={recipient.address: each for recipient in flight.mail.recipients},
        reply=text,
        started_at=timezone.now(),
        duration_ms=0,
        error=DeliveryError(text, permanent=False, phase=Phase.MAIL),
    )


def envelope(mail: ClaimedMessage) -> Envelope:
    """Return what the driver needs of `mail`."""
    return Envelope(
        id=mail.id,
        sender=parse_address(mail.sender).envelope,
        recipients=tuple(recipient.address for recipient in mail.recipients),
        content=mail.mime,
        needs_smtputf8=mail.needs_smtputf8,
        message_id=mail.message_id,
        subject=mail.subject,
        is_sensitive=mail.is_sensitive,
        keeps_transcript=mail.is_test,
    )


def attempt_record(flight: InFlight, result: Result, *, worker: str) -> AttemptRecord:
    """Return the attempt as the log keeps it."""
    return AttemptRecord(
        started_at=result.started_at,
        duration_ms=result.duration_ms,
        outcome=result.outcome,
        phase=result.phase,
        code=result.code,
        enhanced_code=result.enhanced_code,
        reply=result.reply,
        driver=flight.driver,
        connection=flight.connection.name if flight.connection else "",
        host=result.host,
        tls=result.tls,
        worker=worker,
        transcript=_packed(result.transcript) if result.transcript else b"",
    )


@lru_cache(maxsize=8)
def _packed(said: Transcript) -> bytes:
    """Return the transcript as it is stored; a whole batch that found no connection has the same."""
    return transcripts.pack_transcript(
        transcripts.AttemptTranscript(phases=said.phases, lines=said.lines, handshake=said.opening, nth=said.nth)
    )
