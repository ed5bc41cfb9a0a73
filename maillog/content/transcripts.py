"""SMTP transcripts of delivery attempts: the lines of the session and the duration of each phase, packed for storage.

The sender redacts credentials and leaves out the message content before a transcript gets here.
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

LONGEST = 256 * 1024  # octets that are unpacked at most

Line = tuple[str, str]  # "C" (client: this side), "S" (server) or "" (a remark); and the text


@dataclass(frozen=True, slots=True)
class AttemptTranscript:
    """One attempt: its phases as (name, milliseconds) and its lines.

    `handshake` has the lines that opened the connection; this message was number `nth` on it.
    """

    phases: Sequence[tuple[str, int]]
    lines: Sequence[Line]
    handshake: Sequence[Line] = ()
    nth: int = 1

    @property
    def milliseconds(self) -> int:
        """The duration of all phases together."""
        return sum(duration for _phase, duration in self.phases)


def pack_transcript(transcript: AttemptTranscript) -> bytes:
    """Return the stored form: compressed JSON, each line cut to 1,000 characters."""
    plain = [
        transcript.phases,
        [(who, fit(text, 1000)) for who, text in transcript.lines],
        [(who, fit(text, 1000)) for who, text in transcript.handshake],
        transcript.nth,
    ]
    return zlib.compress(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def unpack_transcript(stored: bytes) -> AttemptTranscript | None:
    """Return the transcript, or None if the stored octets are damaged."""
    try:
        phases, lines, handshake, nth = json.loads(zlib.decompressobj().decompress(stored, LONGEST))
        return AttemptTranscript(
            phases=[(str(phase), int(duration)) for phase, duration in phases],
            lines=[(str(who), str(text)) for who, text in lines],
            handshake=[(str(who), str(text)) for who, text in handshake],
            nth=int(nth),
        )
    except (zlib.error, ValueError, TypeError):
        return None


def of_mail(mail_id: int) -> dict[datetime, AttemptTranscript | None]:
    """Return the transcripts of a message by the start of their attempt; None stands for a damaged one."""
    rows = Transcript.objects.filter(message_id=mail_id).values_list("started_at", "packed")
    return {started_at: unpack_transcript(bytes(stored)) for started_at, stored in rows}
