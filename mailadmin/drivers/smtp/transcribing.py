"""What was said while a mail was handed over, and how long each phase took, as the log keeps it.

Kept of a mail that did not simply go out, and of test mails; put into words only then, because a mail that goes out
costs a tenth of a millisecond and text costs more. What the mail says is never in it (of the content only how many
octets it had), and whatever was said to sign in is struck out while it is noted, before anything else sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailadmin.drivers.smtp.replies import STRUCK_OUT, harmless
from mailadmin.errors import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailadmin.drivers.base import Envelope, Result
    from mailadmin.drivers.smtp.replies import Censor, Reply
    from mailadmin.drivers.smtp.session import Session
    from mailadmin.drivers.smtp.transaction import Transaction

MAX_LINE = 300  # characters kept of a line
FIRST_LINES, LAST_LINES = 60, 20  # kept where more was said
RESET = "rset"  # the step between two mails, or after one that nobody takes

Line = tuple[str, str]  # who: "C" (we), "S" (the server), "" (a remark of ours); and the text


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, in order, and the phases with their milliseconds, also in order.

    `opening`: how the connection was opened, for this mail if it was the first on it (`nth` is 1), else for an earlier
    one; then no phase speaks of it. Of very many lines those in the middle are missing; a remark says so.
    """

    phases: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]
    opening: tuple[Line, ...] = ()
    nth: int = 1


class Opening:
    """Takes down how a connection is opened: the phase under way, those before it, and what was said in them."""

    __slots__ = ("_began", "_censor", "_is_done", "_lines", "_phases", "phase")

    def __init__(self, censor: Censor) -> None:
        self._censor = censor
        self._lines: list[Line] = []
        self._phases: list[tuple[str, float]] = []
        self._began = monotonic()
        self._is_done = False
        self.phase = Phase.RESOLVE

    def enter(self, phase: Phase) -> None:
        """Begin `phase`."""
        self._end_phase()
        self.phase = phase

    def say(self, words: Sequence[bytes]) -> None:
        """Note a command. Whatever belongs to a sign-in is struck out here and wherever the server repeats it."""
        shown = [word.decode("utf-8", "replace") for word in words]
        if self.phase == Phase.AUTH:
            known = 2 if shown[0].upper() == "AUTH" else 0  # AUTH and the mechanism
            for secret in shown[known:]:
                self._censor.learn(secret)
            shown = [*shown[:known], *([STRUCK_OUT] if shown[known:] else [])]
        self._lines.append(("C", self._clean(" ".join(shown))))

    def hear(self, code: int, message: str) -> None:
        """Note a reply, whose lines `message` holds without their codes."""
        code_shown = str(code) if 200 <= code < 600 else "???"
        lines = self._censor(message).split("\n")
        for number, line in enumerate(lines, start=1):
            self._lines.append(
                ("S", harmless(f"{code_shown}{' ' if number == len(lines) else '-'}{line}", limit=MAX_LINE))
            )

    def finish(self) -> None:
        """End the last phase."""
        if not self._is_done:
            self._end_phase()
            self._is_done = True

    def failed(self, remark: str) -> Transcript:
        """Return what is to be kept where no connection came about, with a remark at its end."""
        self.finish()
        return cut(self.phases, [*self._lines, *([("", self._clean(remark))] if remark else [])])

    @property
    def phases(self) -> list[tuple[str, float]]:
        """Return the phases that have ended, with their seconds."""
        return self._phases

    @property
    def lines(self) -> list[Line]:
        """Return what was said."""
        return self._lines

    def _end_phase(self) -> None:
        now = monotonic()
        self._phases.append((self.phase.value, now - self._began))
        self._began = now

    def _clean(self, text: str) -> str:
        return harmless(self._censor(text), limit=MAX_LINE)


def told(session: Session, transaction: Transaction, result: Result, remark: str = "") -> Result:
    """Return `result` with what was said."""
    steps = list(_steps(transaction))
    ends = [*(began for _step, began, _reply in steps[1:]), monotonic()]
    phases = [(step, end - began) for (step, began, _reply), end in zip(steps, ends, strict=True)]
    opening, nth = session.opening, session.transactions
    if nth == 1 and opening and session.opening_counts:
        phases = [*opening.phases, *phases]
    kept = cut(phases, list(_said(session, transaction.envelope, steps, remark)))
    return replace(result, transcript=replace(kept, opening=tuple(opening.lines) if opening else (), nth=nth))


def _steps(transaction: Transaction) -> Iterator[tuple[str, float, Reply | None]]:
    notes: list[Any] = transaction.notes
    for at in range(0, len(notes), 3):
        yield str(notes[at]), notes[at + 1], notes[at + 2] if at + 2 < len(notes) else None


def _said(
    session: Session, envelope: Envelope, steps: Sequence[tuple[str, float, Reply | None]], remark: str
) -> Iterator[Line]:
    """Yield each command with its reply behind it, also where several had left in one write."""
    censor = session.conversation.censor
    recipients = iter(envelope.recipients)
    for step, _began, reply in steps:
        match step:
            case Phase.MAIL:
                command = session.mail_from(envelope).rstrip()
            case Phase.RCPT:
                command = f"RCPT TO:<{next(recipients, '')}>"
            case Phase.DATA:
                command = "DATA"
            case Phase.CONTENT:
                command = ""
            case _:
                command = "RSET"
        if command:
            yield "C", harmless(censor(command), limit=MAX_LINE)
        else:
            yield "", _("[%s octets of mail, and the final dot]") % len(envelope.content)
        if reply:
            yield "S", harmless(str(reply), limit=MAX_LINE)
    if remark:
        yield "", harmless(censor(remark), limit=MAX_LINE)


def cut(phases: Sequence[tuple[str, float]], lines: Sequence[Line]) -> Transcript:
    """Return the transcript: times in milliseconds, each phase in one piece, and of many lines the first and last."""
    merged: list[tuple[str, float]] = []
    for phase, seconds in phases:
        if merged and merged[-1][0] == phase:
            seconds += merged.pop()[1]
        merged.append((phase, seconds))
    left_out = len(lines) - FIRST_LINES - LAST_LINES
    if left_out > 0:
        remark = ngettext("[%s line left out]", "[%s lines left out]", left_out) % left_out
        lines = [*lines[:FIRST_LINES], ("", remark), *lines[-LAST_LINES:]]
    return Transcript(phases=tuple((phase, round(seconds * 1000)) for phase, seconds in merged), lines=tuple(lines))
