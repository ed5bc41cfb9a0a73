"""The kinds of errors that statistics count: the codes of a reply and what it means, or what happened without a reply.

Written as "550 5.1.1 mailbox-missing", "421 busy" or "certificate-expired".
"""

from __future__ import annotations

import re

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from maillog.explanations.meanings import text_of
from maillog.explanations.refusals import kind

LONGEST = 60  # characters
OTHER = "other"
_CODES = re.compile(r"([245]\d\d)(?: ([245]\.\d{1,3}\.\d{1,3}))?(?!\d)", re.ASCII)


def error_kind(reason: str) -> str:
    """Return the kind of a reason that begins with the codes of a reply, "" if it does not."""
    found = _CODES.match(reason)
    if not found:
        return ""
    code, enhanced = found[1], found[2] or ""
    return " ".join(part for part in (code, enhanced, kind(int(code), enhanced, reason[found.end() :])) if part)


def codes_of(error: str) -> str:
    """Return the codes of a kind, such as "550 5.1.1", by which the log can be searched; "" if it has none."""
    return " ".join(part for part in error.split() if part[0].isdecimal())


def describe(error: str) -> str:
    """Return what the kind means, as a title."""
    key = error.split()[-1] if error else ""
    return str(capfirst(text_of(key) or _("no reply from a server")))
