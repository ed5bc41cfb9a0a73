"""Which failures are of one kind: stable keys by where a delivery ended and what was answered, and their labels. Pure.

Before the mail itself is handed over, the phase of the conversation is the kind; it then concerns the connection.
After that a refusal is of the kind that its codes and words mean (`maillog.explanations.refusals`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from mailadmin.errors import Phase
from maillog.explanations import refusals
from maillog.explanations.error_kinds import PHASES
from maillog.explanations.next_steps import CONNECTION_PHASES

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

SIGN_IN_LATER = "auth-later"
REFUSED, DEFERRED, INTERRUPTED, UNCERTAIN, WORKER, PROGRAM = (
    "refused",
    "put-off",
    "broken",
    "uncertain",
    "worker",
    "program",
)

LABELS: dict[str, _StrPromise] = {
    **{phase: PHASES[phase] for phase in CONNECTION_PHASES},
    SIGN_IN_LATER: _("the sign-in is put off"),
    REFUSED: _("the server refuses the mails"),
    DEFERRED: _("the server puts the mails off"),
    INTERRUPTED: _("the conversation breaks off"),
    UNCERTAIN: _("the server's last answer is lost"),
    WORKER: _("workers die over a mail"),
    PROGRAM: _("the program fails over the mails"),
}


def label(kind: str) -> str:
    """Return what `kind` says, e.g. "the sign-in fails"."""
    return str(LABELS.get(kind) or refusals.MEANINGS.get(kind) or kind)


def kind_of(phase: str, code: int | None, enhanced_code: str, words: str, *, uncertain: bool = False) -> str:
    """Return the key of a failure that ended in `phase` with this answer; no code: the server said nothing."""
    number = code or 0
    if phase == Phase.AUTH and 400 <= number < 500:
        return SIGN_IN_LATER
    if phase in CONNECTION_PHASES:
        return phase
    if uncertain:
        return UNCERTAIN
    if known := refusals.kind(code, enhanced_code, words):
        return known
    if number >= 500:
        return REFUSED
    if number >= 400:
        return DEFERRED
    return INTERRUPTED if phase else PROGRAM


def is_about_connection(phase: str) -> bool:
    """Return whether what ended in `phase` would have met any mail."""
    return phase in CONNECTION_PHASES
