"""Transcripts of attempts: what was said, and how long each phase took; packed for the table, and read back for people.

Whoever makes one strikes out credentials before and puts nothing into it of what the mail says.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maillog.models import Transcript
from maillog.text import fit

if TYPE_CHECKING:
    from datetime import datetime

LONGEST = 256 * 1024  # octets of an unpacked one that are read

Line = tuple[str, str]  # who: "C" (the client, us), "S" (the server), "" (a remark); and the text


@dataclass(frozen=True, slots=True)
class Said:
    """A transcript as it was made. `opening` is of the connection, whose mail number `nth` this was."""

    phases: Sequence[tuple[str, int]]
    lines: Sequence[Line]
    opening: Sequence[Line] = ()
    nth: int = 1

    @property
    def milliseconds(self) -> int:
        """How long all phases took together."""
        return sum(duration for _phase, duration in self.phases)


def packed(said: Said) -> bytes:
    """Return what is stored of a transcript."""
    plain = [
        said.phases,
        [(who, fit(text, 1000)) for who, text in said.lines],
        [(who, fit(text, 1000)) for who, text in said.opening],
        said.nth,
    ]
    return zlib.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def unpacked(stored: bytes) -> Said | None:
    """Return the transcript, or None if what is stored is damaged."""
    try:
        phases, lines, opening, nth = json.loads(zlib.decompressobj().decompress(stored, LONGEST))
        return Said(
            phases=[(str(phase), int(duration)) for phase, duration in phases],
            lines=[(str(who), str(text)) for who, text in lines],
            opening=[(str(who), str(text)) for who, text in opening],
            nth=int(nth),
        )
    except (zlib.error, ValueError, TypeError):
        return None


def of_mail(mail_id: int) -> dict[datetime, Said | None]:
    """Return the transcripts of a mail's attempts by when these began; None: damaged."""
    rows = Transcript.objects.filter(message_id=mail_id).values_list("started_at", "said")
    return {started_at: unpacked(bytes(stored)) for started_at, stored in rows}
