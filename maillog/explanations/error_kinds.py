"""What each kind of error means, in plain words. `maillog.statistics.rollups` counts them: a reply code or a phase.

A code is explained by `maillog.explanations.refusals`; a code unknown there, by its class (RFC 3463).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from maillog.explanations.refusals import meaning

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

# How far an attempt had got -> what happened there, where no server's answer says it better.
PHASES: dict[str, _StrPromise] = {
    "resolve": _("the host's name leads nowhere"),
    "connect": _("the host cannot be reached"),
    "greeting": _("the server does not greet as it should"),
    "ehlo": _("the server does not greet as it should"),
    "tls": _("no encrypted channel"),
    "auth": _("the sign-in fails"),
    "mail": _("the server breaks off at the sender"),
    "rcpt": _("the server breaks off at the recipients"),
    "data": _("the server breaks off before the content"),
    "content": _("the server breaks off at the content"),
    "quit": _("the server breaks off in the end"),
}
SUBJECTS: dict[str, _StrPromise] = {
    "1": _("something is wrong with the address"),
    "2": _("something is wrong with the mailbox"),
    "3": _("the server's mail system has trouble"),
    "4": _("the server's network has trouble"),
    "5": _("the server did not understand"),
    "6": _("the server does not take this content"),
    "7": _("the server's rules forbid it"),
}


def describe(kind: str) -> str:
    """Return what happened, for example of "550 5.1.1", as a title."""
    code, _space, enhanced = kind.partition(" ")
    if not is_reply_code(kind):
        return capfirst(str(PHASES.get(kind, _("no answer of a server"))))
    subject, _dot, _detail = enhanced[2:].partition(".")
    fallback = _("the server refused it for good") if code[0] == "5" else _("the server refused it for a while")
    return capfirst(meaning(int(code), enhanced, "") or str(SUBJECTS.get(subject, fallback)))


def is_reply_code(kind: str) -> bool:
    """Whether the kind is made of codes of a server, which the log can be searched for."""
    return kind.partition(" ")[0].isdecimal()
