"""What a driver and a server said to each other while a message was delivered, as the log keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_LINES, LAST_LINES = 60, 20  # kept of a longer transcript

Line = tuple[str, str]  # who: "C" (this side), "S" (the server), "" (a remark of ours); and the text


@dataclass(frozen=True, slots=True)
class Transcript:
    """The lines in order, and each phase with its duration in milliseconds, also in order.

    `opening`: how the connection was opened, for this message if it was the first on it (`nth` is 1), otherwise for an
    earlier one; then `phases` does not include it. The middle lines of a very long transcript are replaced by a remark.
    """

    phases: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]
    opening: tuple[Line, ...] = ()
    nth: int = 1


def build_transcript(phases: Sequence[tuple[str, float]], lines: Sequence[Line]) -> Transcript:
    """Return the transcript of `lines` and of `phases`, given in seconds; consecutive equal phases become one."""
    merged: list[tuple[str, float]] = []
    for phase, seconds in phases:
        if merged and merged[-1][0] == phase:
            seconds += merged.pop()[1]
        merged.append((phase, seconds))
    omitted = len(lines) - FIRST_LINES - LAST_LINES
    if omitted > 0:
        remark = ngettext("[%s line left out]", "[%s lines left out]", omitted) % omitted
        lines = [*lines[:FIRST_LINES], ("", remark), *lines[-LAST_LINES:]]
    return Transcript(phases=tuple((phase, round(seconds * 1000)) for phase, seconds in merged), lines=tuple(lines))
