"""An envelope as SMTP: what of it a server can take, and the octets that are sent for it."""

from __future__ import annotations

import re
from dataclasses import replace
from email.header import Header
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.base import RecipientResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailadmin.drivers.base import Envelope

_UNSAFE = re.compile("[\x00-\x20\x7f-\x9f<>\u2028\u2029\ud800-\udfff]")
_QUOTED_LOCAL = re.compile(r'\A"(?:[ !#-\[\]-~]|\\[ -~])*"(?=@)')
_FIELD = re.compile(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*")
_MAILBOX = re.compile(r'<([^<>]*[^\x00-\x7f][^<>]*)>|((?:"[^"]*"|[^\s,;:<>"]+)@[^\s,;<>]+)')


def undeliverable_reason(envelope: Envelope, extensions: Mapping[str, str], host: str) -> str:
    """Return why a server with these EHLO `extensions` (lower-case names) cannot take the message at all, or "".

    `host` is how the reason refers to the server.
    """
    addresses = (envelope.sender, *envelope.recipients)
    if not envelope.recipients:
        return _("The message has no recipient.")
    if any(_UNSAFE.search(_QUOTED_LOCAL.sub("", one)) for one in addresses) or "" in envelope.recipients:
        return _("An address of the envelope holds a character that cannot be sent.")
    content = envelope.content
    in_lines = content.replace(b"\r\n", b"")
    if b"\r" in in_lines or b"\n" in in_lines:
        return _("The message has line endings other than CRLF.")
    if needs_smtputf8(envelope) and "smtputf8" not in extensions:
        return _("The message needs SMTPUTF8 (non-ASCII before an @), which %s does not offer.") % host
    limit = extensions.get("size", "").strip()
    if limit.isascii() and limit.isdigit() and 0 < int(limit[:18]) < len(content):  # RFC 1870 3: 0 is no limit
        return _("The message has %(size)d octets; %(host)s accepts at most %(limit)d.") % {
            "size": len(content),
            "host": host,
            "limit": int(limit[:18]),
        }
    return ""


def needs_smtputf8(envelope: Envelope) -> bool:
    """Whether the message can only be sent with SMTPUTF8 (RFC 6531)."""
    return envelope.needs_smtputf8 or not (envelope.sender.isascii() and "".join(envelope.recipients).isascii())


def mail_from(envelope: Envelope, extensions: Mapping[str, str]) -> str:
    """Return the MAIL command with the parameters that the server understands, and its CRLF."""
    options = ""
    if "size" in extensions:
        options += f" SIZE={len(envelope.content)}"
    if needs_smtputf8(envelope):
        options += " BODY=8BITMIME SMTPUTF8" if "8bitmime" in extensions else " SMTPUTF8"
    return f"MAIL FROM:<{envelope.sender}>{options}\r\n"


def commands(envelope: Envelope, extensions: Mapping[str, str]) -> tuple[bytes, int]:
    """Return everything that is sent before the content, and the number of replies to it."""
    recipients = [f"RCPT TO:<{address}>\r\n" for address in envelope.recipients]
    return "".join((mail_from(envelope, extensions), *recipients, "DATA\r\n")).encode(), len(recipients) + 2


def dot_stuffed(content: bytes) -> bytes:
    """Return `content` (CRLF line ends) as it is sent, with its final dot (RFC 5321 4.5.2)."""
    wire = content.replace(b"\r\n.", b"\r\n..")
    return b"".join(
        (b"." if wire.startswith(b".") else b"", wire, b".\r\n" if not wire or wire.endswith(b"\r\n") else b"\r\n.\r\n")
    )


def adapted(
    envelope: Envelope, extensions: Mapping[str, str], host: str
) -> tuple[Envelope, dict[str, RecipientResult]]:
    """Return `envelope` as this server can take it, and the recipients that it cannot have, with their results.

    Nothing changes where the server offers SMTPUTF8, and where nobody would be left: then the message fails as a whole.
    """
    if "smtputf8" in extensions or not needs_smtputf8(envelope) or not envelope.sender.isascii():
        return envelope, {}
    left = tuple(address for address in envelope.recipients if address.isascii())
    if not left:
        return envelope, {}
    reason = _("%s does not offer SMTPUTF8, which this address needs (non-ASCII before the @).") % host
    refused = {
        address: RecipientResult(outcome="refused", reply=reason)
        for address in envelope.recipients
        if not address.isascii()
    }
    content = downgraded(envelope.content)
    return replace(envelope, recipients=left, content=content, needs_smtputf8=False), refused


def downgraded(content: bytes) -> bytes:
    """Return the message with each non-ASCII mailbox of its header as an empty group named after it (RFC 6857)."""
    head, blank, body = content.partition(b"\r\n\r\n")
    return _FIELD.sub(_downgraded_field, head + b"\r\n") + blank[2:] + body if not head.isascii() else content


def _downgraded_field(match: re.Match[bytes]) -> bytes:
    return match[0] if match[0].isascii() else _MAILBOX.sub(_group, match[0].decode()).encode("ascii", "replace")


def _group(match: re.Match[str]) -> str:
    address = match[1] or match[2]
    if address.isascii():
        return match[0]
    words = Header(address, "utf-8", maxlinelen=75).encode(linesep="\r\n")
    return f"{words} :;"
