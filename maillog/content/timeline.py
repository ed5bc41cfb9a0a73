"""The delivery attempts of a message as its page lists them, with their phases and SMTP transcripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from maillog.content import transcripts

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from maillog.content.transcripts import AttemptTranscript
    from maillog.models import Attempt

SHADES = 3  # colours, used in turn
BAR_WIDTH = 1000  # units
MIN_WIDTH = 4  # units, so that a phase of 0 ms remains visible

PHASES: dict[str, _StrPromise] = {
    "resolve": _("DNS"),
    "connect": _("Connect"),
    "tls": _("TLS"),
    "greeting": _("Greeting"),
    "ehlo": _("EHLO"),
    "auth": _("Sign-in"),
    "mail": _("MAIL"),
    "rcpt": _("RCPT"),
    "data": _("DATA"),
    "content": _("Content"),
    "rset": _("RSET"),
}


@dataclass(frozen=True, slots=True)
class PhaseSegment:
    """One phase in a bar of `BAR_WIDTH` units: `x` is where it begins. `shade` is 0 to 2."""

    label: str
    milliseconds: int
    x: int
    width: int
    shade: int


@dataclass(frozen=True, slots=True)
class AttemptEntry:
    """An attempt and, if one was recorded, its transcript. `is_damaged`: there is one, but it cannot be decoded."""

    attempt: Attempt
    transcript: AttemptTranscript | None = None
    is_damaged: bool = False

    @property
    def segments(self) -> list[PhaseSegment]:
        """The phases in order; empty without a transcript."""
        return phase_segments(self.transcript.phases) if self.transcript else []


def timeline(mail_id: int, attempts: Iterable[Attempt]) -> list[AttemptEntry]:
    """Return the attempts in the given order with their transcripts: one query."""
    known = transcripts.of_mail(mail_id)
    return [
        AttemptEntry(
            attempt,
            known.get(attempt.started_at),
            is_damaged=attempt.started_at in known and known[attempt.started_at] is None,
        )
        for attempt in attempts
    ]


def phase_segments(phases: Sequence[tuple[str, int]]) -> list[PhaseSegment]:
    """Return the phases, given as (name, milliseconds), with their share of the bar. The segments leave no gap."""
    room = BAR_WIDTH - MIN_WIDTH * len(phases)
    total = sum(max(0, duration) for _phase, duration in phases)
    ends, spent = [0], 0
    for number, (_phase, duration) in enumerate(phases, start=1):
        spent += max(0, duration)
        share = spent / total if total else number / len(phases)
        ends.append(MIN_WIDTH * number + round(room * share))
    return [
        PhaseSegment(str(PHASES.get(phase, phase)), duration, x, end - x, number % SHADES)
        for number, ((phase, duration), (x, end)) in enumerate(zip(phases, pairwise(ends), strict=True))
    ]
