"""What the codes of servers mean, in plain words. Pure; after RFC 5321 (replies) and RFC 3463 (enhanced codes).

The half sentences follow a colon: "refused by mx.example.com: the mailbox does not exist".
"""

from __future__ import annotations

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# The address takes no mail, today or ever: no attempt will change that.
GONE = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.4.4"})

BY_ENHANCED_CODE = {
    "1.1": _("the mailbox does not exist"),
    "1.2": _("the domain does not exist"),
    "1.3": _("the address is not written as the server wants it"),
    "1.6": _("the mailbox has moved and left no address"),
    "1.8": _("the server does not know the sender's domain"),
    "1.10": _("the domain takes no mail at all"),
    "2.0": _("the mailbox has a problem"),
    "2.1": _("the mailbox is switched off"),
    "2.2": _("the mailbox is full"),
    "2.3": _("the mail is too large for the mailbox"),
    "3.1": _("the server has no room left"),
    "3.2": _("the server takes no mail at the moment"),
    "3.4": _("the mail is too large for the server"),
    "4.1": _("the server behind it does not answer"),
    "4.4": _("nobody knows where mail to this domain goes"),
    "4.7": _("the mail was under way too long"),
    "5.3": _("it had too many recipients at once"),
    "7.0": _("the server's rules forbid it"),
    "7.1": _("the server's rules forbid it, or it takes no mail from this sender"),
    "7.23": _("the sender's SPF does not allow it"),
    "7.26": _("neither SPF nor DKIM vouches for the sender"),
    "7.28": _("the sender sends too much at once"),
}
BY_CODE = {
    421: _("the server is busy or closing"),
    450: _("the mailbox cannot be reached at the moment"),
    451: _("the server asks to try again later"),
    452: _("the server has no room left at the moment"),
    530: _("the server wants a sign-in"),
    550: _("the server does not take mail for this address"),
    551: _("the person is not at this server"),
    552: _("the mail is too large, or the mailbox is full"),
    553: _("the server does not accept the address as it is written"),
    554: _("the server refuses the mail"),
}


def meaning(code: int | None, enhanced_code: str) -> str:
    """Return what the answer means, by its enhanced code where that says more; "" if nobody knows."""
    kind, _dot, rest = enhanced_code.partition(".")
    known = BY_ENHANCED_CODE.get(rest) if kind in {"4", "5"} else None
    if known is None and code:
        known = BY_CODE.get(code)
    return gettext(str(known)) if known else ""
