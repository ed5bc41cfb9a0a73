"""One message being delivered: what the driver gets, what comes back, and the queue that carries it back."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from mailadmin.drivers.base import Envelope, Result
from mailadmin.message.addresses import parse_address
from mailadmin.models import SendMode
from mailadmin.transcript import Transcript
from maillog.content import transcripts
from maillog.outcomes import AttemptRecord
from maillog.queue.claimed_messages import ClaimedMessage
from secrets_app.vault import Connection

# Seconds to wait for the reply to the final dot while no caller is waiting: RFC 5321 section 4.5.3.2.6.
CONTENT_TIMEOUT = 600.0


@dataclass(slots=True, eq=False)
class InFlight:
    """One claimed message, with the attempts that failed over because of their connection."""

    mail: ClaimedMessage
    tried: frozenset[str] = frozenset()  # ids of connections
    failovers: list[AttemptRecord] = field(default_factory=list)
    connection: Connection | None = None
    driver: str = ""  # the key of the driver that has it
    current_driver: str = ""  # the driver in force, and the connections it could use, when it was routed
    candidates: list[Connection] = field(default_factory=list)


class Completion(NamedTuple):
    """The result of a delivery, or the error that was raised instead of one."""

    delivery: InFlight
    result: Result | BaseException


class CompletionQueue:
    """Carries completions from the event loop's thread to the thread that records them.

    `queue.Queue` would wake that thread for every message, and each wake-up takes the interpreter away from the loop in
    the middle of its work. This wakes it twice per batch: for the first completion, and when as many are there as it
    wants.
    """

    def __init__(self) -> None:
        self._completions: deque[Completion] = deque()
        self._wanted = 1
        self._some = threading.Event()
        self._enough = threading.Event()

    def add(self, completion: Completion) -> None:
        """Add one; from any thread."""
        self._completions.append(completion)
        if not self._some.is_set():
            self._some.set()
        if len(self._completions) >= self._wanted and not self._enough.is_set():
            self._enough.set()

    def take(self, limit: int, *, timeout: float, linger: float) -> list[Completion]:
        """Return up to `limit` completions, to one thread: when all are there, at most `linger` s after the first.

        Returns nothing if nothing completes for `timeout` seconds, and in rare cases earlier.
        """
        if not self._some.wait(timeout):
            return []
        self._wanted = limit
        if len(self._completions) < limit:
            self._enough.wait(linger)
        # Cleared before they are taken: whatever is added from here on sets the events again.
        self._enough.clear()
        self._some.clear()
        taken = [self._completions.popleft() for _ in range(min(limit, len(self._completions)))]
        if self._completions:
            self._some.set()
        return taken


def content_timeout(mail: ClaimedMessage) -> float:
    """Return how many seconds the reply to the final dot may take, 0 for the connection's own timeout."""
    return 0.0 if mail.mode == SendMode.INSTANT else CONTENT_TIMEOUT


def envelope(mail: ClaimedMessage) -> Envelope:
    """Return `mail` as the driver takes it."""
    return Envelope(
        id=mail.id,
        sender=parse_address(mail.sender, single_label=True).envelope,  # it was checked when it was stored
        recipients=tuple(recipient.address for recipient in mail.recipients),
        content=mail.mime,
        needs_smtputf8=mail.needs_smtputf8,
        message_id=mail.message_id,
        subject=mail.subject,
        is_sensitive=mail.is_sensitive,
        keeps_transcript=mail.is_test,
    )


def attempt_record(delivery: InFlight, result: Result, *, worker: str) -> AttemptRecord:
    """Return the attempt as the log stores it."""
    return AttemptRecord(
        started_at=result.started_at,
        duration_ms=result.duration_ms,
        outcome=result.outcome,
        phase=result.phase,
        code=result.code,
        enhanced_code=result.enhanced_code,
        reply=result.reply,
        fault=result.error.fault if result.error else "",
        driver=delivery.driver,
        connection=delivery.connection.name if delivery.connection else "",
        host=result.host,
        tls=result.tls,
        worker=worker,
        transcript=_packed(result.transcript) if result.transcript else b"",
    )


@lru_cache(maxsize=8)  # a batch that reached no server shares one transcript
def _packed(said: Transcript) -> bytes:
    return transcripts.pack_transcript(
        transcripts.AttemptTranscript(phases=said.phases, lines=said.lines, handshake=said.opening, nth=said.nth)
    )
