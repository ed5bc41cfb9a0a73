"""What became of a claimed message: the values that the worker hands over, and the row that they meet.

Plain data without queries. Settling writes it, statistics count it, and neither needs to know the other for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from maillog.models import FINAL, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientOutcome:
    """The server's answer for the recipient row `id`."""

    id: int
    outcome: str
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt as the log keeps it.

    `fault`: what this side noticed without a reply, a key of `maillog.explanations.meanings`. `transcript`: the SMTP
    conversation as `maillog.content.transcripts` packs it, empty if it is not kept.
    """

    started_at: datetime
    duration_ms: int
    outcome: str
    phase: str = ""
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    fault: str = ""
    driver: str
    connection: str = ""
    host: str = ""
    tls: str = ""
    worker: str
    transcript: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The new state of one claimed message. Without an `attempt` nobody dialed, and the booked attempt is undone.

    `failovers` are the attempts over connections that failed before another one was used. They share the number of
    `attempt`.
    """

    id: int
    claim: str
    status: str
    reason: str = ""
    next_attempt_at: datetime | None = None
    driver: str = ""
    connection: str = ""
    recipients: Sequence[RecipientOutcome] = ()
    attempt: AttemptRecord | None = None
    failovers: Sequence[AttemptRecord] = ()

    @property
    def will_be_resent(self) -> bool:
        """Whether the message may have arrived and is sent again all the same."""
        return self.status == Status.UNCERTAIN and self.next_attempt_at is not None

    @property
    def is_final(self) -> bool:
        """Whether no attempt follows; an uncertain message may have one."""
        return self.status in FINAL and not self.will_be_resent


class ClaimedRow(NamedTuple):
    """What settling reads of a message. Plain values: building model objects costs more than reading the rows."""

    id: int
    status: str
    claim: str
    attempt_count: int
    is_sensitive: bool
    possibly_duplicate: bool
    driver_id: int | None
    connection_id: int | None
    reason: str
    template_id: int | None
    created_at: datetime
    finished_at: datetime | None


class HeldGroup(NamedTuple):
    """What routing needs to know of held messages: those alike in this are held by the same connection."""

    connection_hint: str = ""
    actor_id: int | None = None
    is_test: bool = False
