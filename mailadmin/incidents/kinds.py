"""Kinds of failures: stable keys by the phase a delivery ended in and the server's reply, and their labels. Pure.

Before MAIL FROM, the phase of the SMTP session is the kind, and the failure concerns the connection. After that, the
kind of a refusal is what its codes and text mean (`maillog.explanations.refusals`).
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

SIGN_IN_DEFERRED = "auth-later"
REFUSED, DEFERRED, INTERRUPTED, UNCERTAIN, WORKER, PROGRAM = (
    "refused",
    "deferred",
    "interrupted",
    "uncertain",
    "worker",
    "program",
)

LABELS: dict[str, _StrPromise] = {
    **{phase: PHASES[phase] for phase in CONNECTION_PHASES},
    SIGN_IN_DEFERRED: _("the server defers the sign-in"),
    REFUSED: _("the server refuses the messages"),
    DEFERRED: _("the server defers the messages"),
    INTERRUPTED: _("the SMTP session is interrupted"),
    UNCERTAIN: _("the server's final reply is lost"),
    WORKER: _("workers die while delivering a message"),
    PROGRAM: _("the program fails to process the messages"),
}


def label(kind: str) -> str:
    """Return the label of `kind`, e.g. "the sign-in fails"."""
    return str(LABELS.get(kind) or refusals.MEANINGS.get(kind) or kind)


def kind_of(phase: str, code: int | None, enhanced_code: str, reply: str, *, uncertain: bool = False) -> str:
    """Return the kind of a failure that ended in `phase` with this reply; no code: the server did not reply."""
    number = code or 0
    if phase == Phase.AUTH and 400 <= number < 500:
        return SIGN_IN_DEFERRED
    if phase in CONNECTION_PHASES:
        return phase
    if uncertain:
        return UNCERTAIN
    if known := refusals.kind(code, enhanced_code, reply):
        return known
    if number >= 500:
        return REFUSED
    if number >= 400:
        return DEFERRED
    return INTERRUPTED if phase else PROGRAM


def is_about_connection(phase: str) -> bool:
    """Return whether a failure in `phase` would have hit any message."""
    return phase in CONNECTION_PHASES
