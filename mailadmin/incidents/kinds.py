"""Kinds of failures: stable keys, and their labels. Pure.

A kind is the key of the failure's explanation (`maillog.explanations.explanation`), with "-later" behind it if the
message is retried, so that final and temporary failures are never one incident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from maillog.explanations.account_limits import LIMITS
from maillog.explanations.explanation import explain
from maillog.explanations.meanings import CONNECTION_PHASES, text_of

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

LATER = "-later"
UNCERTAIN, WORKER, PROGRAM = "uncertain", "worker", "program"

LABELS: dict[str, _StrPromise] = {
    f"auth{LATER}": _("the server defers the sign-in"),
    "refused": _("the server refuses the messages"),
    f"deferred{LATER}": _("the server defers the messages"),
    UNCERTAIN: _("the server's final reply is lost"),
    WORKER: _("workers die while delivering a message"),
    PROGRAM: _("the program fails to process the messages"),
}


def label(kind: str) -> str:
    """Return the label of `kind`, e.g. "the sign-in fails"."""
    if kind in LABELS:
        return str(LABELS[kind])
    text = text_of(kind.removesuffix(LATER)) or kind
    return gettext("%(text)s, deferred") % {"text": text} if is_temporary(kind) else text


def is_temporary(kind: str) -> bool:
    """Return whether messages of this kind are retried."""
    return kind.endswith(LATER)


def is_limit(kind: str) -> bool:
    """Return whether the account of the connection has reached a limit."""
    return kind.removesuffix(LATER) in LIMITS


def kind_of(
    phase: str,
    code: int | None,
    enhanced_code: str,
    reply: str,
    *,
    fault: str = "",
    is_retried: bool = False,
    uncertain: bool = False,
) -> str:
    """Return the kind of a failure that ended in `phase` with this reply; no code: the server did not reply.

    `is_retried`: of a message. A connection is retried if its reply is temporary.
    """
    if uncertain and phase not in CONNECTION_PHASES:
        return UNCERTAIN
    key = explain(phase, code, enhanced_code, reply, fault=fault).key or PROGRAM
    if phase in CONNECTION_PHASES:
        is_retried = 400 <= (code or 0) < 500
    return f"{key}{LATER}" if is_retried and key not in LIMITS and key != PROGRAM else key


def is_about_connection(phase: str) -> bool:
    """Return whether a failure in `phase` would have hit any message."""
    return phase in CONNECTION_PHASES
