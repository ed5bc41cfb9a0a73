"""The attempts of a mail as the page shows them: each with the phases it went through and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from maillog.content import transcripts

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from maillog.content.transcripts import Said
    from maillog.models import Attempt

SHADES = 3  # that phases have by turns
BAR = 1000  # units that the bar is wide
NARROWEST = 4  # of them for a phase that took no time, so that it can be seen

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
class Stretch:
    """One phase: its name, how long it took, and where it lies in a bar of `BAR` units. `shade`: 0 to 2, by turns."""

    label: str
    milliseconds: int
    x: int
    width: int
    shade: int


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt and its transcript, which only some have; `is_damaged`: there is one that cannot be read back."""

    attempt: Attempt
    said: Said | None = None
    is_damaged: bool = False

    @property
    def stretches(self) -> list[Stretch]:
        """Return the phases in order."""
        return stretches(self.said.phases) if self.said else []


def timeline(mail_id: int, attempts: Iterable[Attempt]) -> list[Tried]:
    """Return the attempts in their order with their transcripts: one query."""
    said = transcripts.of_mail(mail_id)
    return [
        Tried(
            attempt,
            said.get(attempt.started_at),
            is_damaged=attempt.started_at in said and said[attempt.started_at] is None,
        )
        for attempt in attempts
    ]


def stretches(phases: Sequence[tuple[str, int]]) -> list[Stretch]:
    """Return the phases with their share of the bar, which has no gap."""
    room = BAR - NARROWEST * len(phases)
    total = sum(max(0, duration) for _phase, duration in phases)
    ends, spent = [0], 0
    for number, (_phase, duration) in enumerate(phases, start=1):
        spent += max(0, duration)
        share = spent / total if total else number / len(phases)
        ends.append(NARROWEST * number + round(room * share))
    return [
        Stretch(str(PHASES.get(phase, phase)), duration, x, end - x, number % SHADES)
        for number, ((phase, duration), (x, end)) in enumerate(zip(phases, pairwise(ends), strict=True))
    ]
