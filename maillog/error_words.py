"""What a kind of error means, in words. Kinds are as `maillog.rollups` counts them: the server's codes, or a phase.

The meaning of the codes is that of RFC 3463 with the registry of RFC 5248 (enhanced codes) and RFC 5321 (replies).
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

DETAILS = {
    "1.1": _("The mailbox does not exist"),
    "1.2": _("The recipient's domain does not exist"),
    "1.3": _("The address is not valid"),
    "1.6": _("The mailbox has moved"),
    "1.8": _("The sender's domain does not exist"),
    "1.10": _("The recipient's domain takes no mail"),
    "2.1": _("The mailbox is closed"),
    "2.2": _("The mailbox is full"),
    "2.3": _("The mail is too large for the mailbox"),
    "3.4": _("The mail is too large for the server"),
    "4.7": _("The server could not deliver it in time"),
    "5.3": _("Too many recipients"),
    "7.1": _("Refused by the server's rules"),
    "7.5": _("Refused by the server's rules"),
    "7.8": _("User or password is wrong"),
    "7.20": _("The DKIM signature is missing or wrong"),
    "7.23": _("SPF does not allow this server to send"),
    "7.26": _("SPF, DKIM or DMARC did not pass"),
}
SUBJECTS = {
    "1": _("Something is wrong with the address"),
    "2": _("Something is wrong with the mailbox"),
    "3": _("The server's mail system has trouble"),
    "4": _("The server's network has trouble"),
    "5": _("The server did not understand"),
    "6": _("The server does not take this content"),
    "7": _("Refused by the server's rules"),
}
CODES = {
    "421": _("The server was not available"),
    "450": _("The mailbox was not available"),
    "451": _("The server had an error"),
    "452": _("The server had no room"),
    "454": _("The server could not check user and password"),
    "530": _("The server wants a sign-in"),
    "535": _("User or password is wrong"),
    "550": _("Refused: no such mailbox, or against the server's rules"),
    "551": _("The mailbox is elsewhere"),
    "552": _("The mail is too large, or the mailbox full"),
    "553": _("The address is not allowed"),
    "554": _("The server refused the mail"),
}
PHASES = {
    "resolve": _("The server's name was not found"),
    "connect": _("The server could not be reached"),
    "greeting": _("The server did not greet"),
    "ehlo": _("The server broke off at the beginning"),
    "tls": _("No encrypted channel could be made"),
    "auth": _("The sign-in did not work"),
    "mail": _("The server broke off at the sender"),
    "rcpt": _("The server broke off at the recipients"),
    "data": _("The server broke off before the content"),
    "content": _("The server broke off at the content"),
    "quit": _("The server broke off in the end"),
}


def described(kind: str) -> str:
    """Return what happened, for example of "550 5.1.1"."""
    code, _space, enhanced = kind.partition(" ")
    if not code.isdigit():
        return str(PHASES.get(kind, _("No answer of a server")))
    subject, _dot, _detail = enhanced[2:].partition(".")
    fallback = _("The server refused it for good") if code[0] == "5" else _("The server refused it for a while")
    return str(
        DETAILS.get(enhanced[2:]) or CODES.get(code if not enhanced else "") or SUBJECTS.get(subject) or fallback
    )


def is_of_a_server(kind: str) -> bool:
    """Whether the kind is made of codes of a server, which the log can be searched for."""
    return kind[:1].isdigit()
