"""Error reports: what Django's AdminEmailHandler and `mail_admins` send. They always arrive.

A traceback that is lost because its text holds a control character helps nobody, so what the outbox refuses elsewhere
is replaced here: nothing that is replaced could lead a message to somebody else.
"""

from __future__ import annotations

import copy
import re

from django.conf import settings
from django.core.mail import EmailAlternative, EmailMessage

from mailadmin.configuration.effective import Configuration
from mailadmin.message.addresses import CONTROL_CHARACTERS, Address, AddressError, parse_address

LONGEST_SUBJECT = 200  # characters; the whole subject is then at the head of the text
LONGEST_TEXT = 2_000_000  # characters of a text
CUT = "\n\n[The rest, {} characters, was left out.]\n"
WHITE_SPACE = re.compile(r"\s+")


def is_error_report(message: EmailMessage) -> bool:
    """Return whether `message` goes from SERVER_EMAIL to nobody but ADMINS and MANAGERS."""
    if message.from_email != settings.SERVER_EMAIL:
        return False
    people = [*settings.ADMINS, *settings.MANAGERS]  # pairs of name and address, until Django 6.0
    known = {str(one[1] if isinstance(one, tuple | list) else one) for one in people}
    return known.issuperset(map(str, message.recipients()))


def repaired(message: EmailMessage, *, configuration: Configuration, default_sender: str) -> EmailMessage:
    """Return a copy of `message` with a subject and texts that can be sent, and a sender that can be used.

    `default_sender` as for `composing.sender_of`.
    """
    report = copy.copy(message)
    whole = WHITE_SPACE.sub(" ", CONTROL_CHARACTERS.sub(" ", str(message.subject))).strip()
    report.subject = whole if len(whole) <= LONGEST_SUBJECT else f"{whole[:LONGEST_SUBJECT]}…"
    body = _repaired_text(str(message.body))
    report.body = body if report.subject == whole or whole in body else f"{whole}\n\n{body}"
    if alternatives := getattr(message, "alternatives", []):
        report.alternatives = [  # type: ignore[attr-defined]  # of EmailMultiAlternatives
            EmailAlternative(_repaired_text(str(text)), mimetype)
            for text, mimetype in alternatives
            if len(str(text)) <= LONGEST_TEXT  # a page that was cut in the middle is none
        ]
    report.from_email = _sender_text(message, str(configuration.from_address) or default_sender)
    return report


def _repaired_text(text: str) -> str:
    """Return `text` without lone surrogates, which no encoding has, and not much longer than LONGEST_TEXT."""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + CUT.format(len(text) - LONGEST_TEXT)
    return text.encode("utf-8", "replace").decode("utf-8")


def _sender_text(message: EmailMessage, configured: str) -> str:
    """Return the sender of a report: its own address, or the configured one under the name of its own.

    Relays refuse `root@web01`; on a network of one's own it may be the only one there is.
    """
    own = str(message.from_email)
    try:
        parse_address(own)
    except AddressError:
        if configured:
            name = CONTROL_CHARACTERS.sub(" ", own)[:100].strip()
            bare = parse_address(configured)
            return str(Address(name, bare.local, bare.domain))
    return own
