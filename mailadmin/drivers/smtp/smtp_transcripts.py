"""What was said while a connection was opened and while a message was sent, recorded for the log.

The transcript of a message is kept where it was not simply delivered, and for test messages, and is built only then:
delivering a message costs a tenth of a millisecond, and text costs more. The content is never part of it, only its
size; whatever is sent to sign in is redacted when it is recorded, before anything else sees it.
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from mailadmin.drivers.sanitizing import sanitize
from mailadmin.drivers.smtp.envelopes import mail_from
from mailadmin.drivers.smtp.redactor import REDACTED
from mailadmin.errors import Phase
from mailadmin.transcript import build_transcript

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mailadmin.drivers.base import Result
    from mailadmin.drivers.smtp.redactor import Redactor
    from mailadmin.drivers.smtp.replies import Reply
    from mailadmin.drivers.smtp.transaction import Transaction
    from mailadmin.transcript import Line, Transcript

MAX_LINE = 300  # characters kept of a line
RESET = "rset"  # the step between two messages, or after one that was refused


class HandshakeTranscript:
    """The phase under way, those before it with their seconds, and the lines so far."""

    __slots__ = ("_began", "_is_finished", "_redact", "lines", "phase", "phases")

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._began = monotonic()
        self._is_finished = False
        self.lines: list[Line] = []
        self.phases: list[tuple[str, float]] = []
        self.phase = Phase.RESOLVE

    def enter(self, phase: Phase) -> None:
        """End the phase under way and begin `phase`."""
        self._end_phase()
        self.phase = phase

    def record_command(self, words: Sequence[bytes]) -> None:
        """Record a command. Credentials are redacted here and wherever the server repeats them."""
        shown = [word.decode("utf-8", "replace") for word in words]
        if self.phase == Phase.AUTH:
            public = 2 if shown[0].upper() == "AUTH" else 0  # AUTH and the mechanism
            for secret in shown[public:]:
                self._redact.learn(secret)
            shown = [*shown[:public], *([REDACTED] if shown[public:] else [])]
        self.lines.append(("C", self._clean(" ".join(shown))))

    def record_reply(self, code: int, message: str) -> None:
        """Record a reply; `message` holds its lines without their codes."""
        code_shown = str(code) if 200 <= code < 600 else "???"
        texts = self._redact(message).split("\n")
        for number, text in enumerate(texts, start=1):
            separator = " " if number == len(texts) else "-"
            self.lines.append(("S", sanitize(f"{code_shown}{separator}{text}", limit=MAX_LINE)))

    def finish(self) -> None:
        """End the last phase."""
        if not self._is_finished:
            self._end_phase()
            self._is_finished = True

    def failed(self, remark: str) -> Transcript:
        """Return the transcript of a handshake that failed, with a remark at its end unless that is empty."""
        self.finish()
        return build_transcript(self.phases, [*self.lines, *([("", self._clean(remark))] if remark else [])])

    def _end_phase(self) -> None:
        now = monotonic()
        self.phases.append((self.phase.value, now - self._began))
        self._began = now

    def _clean(self, text: str) -> str:
        return sanitize(self._redact(text), limit=MAX_LINE)


def with_transcript(
    result: Result,
    transaction: Transaction,
    *,
    extensions: Mapping[str, str],
    redact: Redactor,
    handshake: HandshakeTranscript | None,
    counts_handshake: bool,
    nth: int,
    remark: str = "",
) -> Result:
    """Return `result` with the transcript of `transaction`, the `nth` on its connection.

    `handshake`: how the connection was opened; its phases come first if this was the first message and
    `counts_handshake`.
    """
    steps = list(_steps(transaction))
    ends = [*(began for _step, began, _reply in steps[1:]), monotonic()]
    phases = [(step, end - began) for (step, began, _reply), end in zip(steps, ends, strict=True)]
    if nth == 1 and handshake and counts_handshake:
        phases = [*handshake.phases, *phases]
    lines = list(_lines(transaction, steps, extensions, redact))
    if remark:
        lines.append(("", sanitize(redact(remark), limit=MAX_LINE)))
    opening = tuple(handshake.lines) if handshake else ()
    return replace(result, transcript=replace(build_transcript(phases, lines), opening=opening, nth=nth))


def _steps(transaction: Transaction) -> Iterator[tuple[str, float, Reply | None]]:
    notes: list[Any] = transaction.notes
    for at in range(0, len(notes), 3):
        yield str(notes[at]), notes[at + 1], notes[at + 2] if at + 2 < len(notes) else None


def _lines(
    transaction: Transaction,
    steps: Sequence[tuple[str, float, Reply | None]],
    extensions: Mapping[str, str],
    redact: Redactor,
) -> Iterator[Line]:
    """Yield each command with its reply after it, also where several were sent at once."""
    envelope = transaction.envelope
    recipients = iter(envelope.recipients)
    for step, _began, reply in steps:
        match step:
            case Phase.MAIL:
                command = mail_from(envelope, extensions).rstrip()
            case Phase.RCPT:
                command = f"RCPT TO:<{next(recipients, '')}>"
            case Phase.DATA:
                command = "DATA"
            case Phase.CONTENT:
                command = ""
            case _:
                command = "RSET"
        if command:
            yield "C", sanitize(redact(command), limit=MAX_LINE)
        else:
            yield "", _("[%s octets of mail, and the final dot]") % len(envelope.content)
        if reply:
            yield "S", sanitize(str(reply), limit=MAX_LINE)
