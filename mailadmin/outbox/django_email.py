"""Composes Django's own EmailMessage, for the email backend.

Django builds the MIME message, so everything it supports is kept (other alternatives, attached messages, its
encodings). This module checks what Django does not: every address and header, and the finished header block.
"""

from __future__ import annotations

import copy
from datetime import datetime

from django.core.mail import EmailMessage

from mailadmin.configuration.effective import Configuration
from mailadmin.errors import InvalidMail
from mailadmin.message.addresses import split_addresses
from mailadmin.message.headers import HeaderError, check_block, make_message_id
from mailadmin.outbox import composing
from mailadmin.outbox.composing import Composed

ADDRESS_HEADERS = frozenset({"from", "to", "cc", "reply-to", "sender"})


def compose_django(
    message: EmailMessage, *, configuration: Configuration, default_sender: str, now: datetime
) -> Composed:
    """Return `message` ready for the outbox, without changing it. Raises InvalidMail.

    Its own Message-ID is kept. A From header that differs from `from_email` is kept as well; the envelope sender is
    then `from_email`, as with Django's own backends.
    """
    sender = composing.sender_of(message.from_email or "", configuration=configuration, default_sender=default_sender)
    recipients = composing.envelope_recipients(
        composing.addresses("to", message.to),
        composing.addresses("cc", message.cc),
        composing.addresses("bcc", message.bcc),
    )
    composing.addresses("reply_to", message.reply_to)
    subject = composing.text("subject", str(message.subject))
    copied = copy.copy(message)
    copied.from_email = str(sender)
    if not message.reply_to and str(configuration.reply_to):
        copied.reply_to = [str(configuration.reply_to)]
    copied.extra_headers = checked_headers(message.extra_headers)
    message_id = copied.extra_headers.setdefault("Message-ID", make_message_id(sender.envelope.rpartition("@")[2]))
    content = mime_bytes(copied)
    composing.check_size(content)
    return Composed(
        sender=sender,
        recipients=recipients,
        subject=subject,
        content=content,
        message_id=message_id,
        needs_smtputf8=any(not recipient.address.isascii() for recipient in recipients) or sender.needs_smtputf8,
        has_attachment=bool(message.attachments),
        due=now,
        mode=composing.mode(None, configuration),
        fingerprint="",
    )


def checked_headers(given: dict[str, str]) -> dict[str, str]:
    """Return the extra headers, with Message-ID in its usual spelling. Raises InvalidMail."""
    checked: dict[str, str] = {}
    for name, value in given.items():
        line = composing.text("headers", str(value), max_length=10_000)
        if name.lower() == "bcc":
            raise InvalidMail("headers", "must not contain Bcc; hidden recipients belong in bcc")
        if name.lower() in ADDRESS_HEADERS:
            composing.addresses("headers", split_addresses(line))
        checked["Message-ID" if name.lower() == "message-id" else name] = line
    return checked


def mime_bytes(message: EmailMessage) -> bytes:
    """Return the MIME message with CRLF line endings, its header block checked. Raises InvalidMail."""
    try:
        content = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
        head, border, _ = content.partition(b"\r\n\r\n")
        check_block(head + border[:2])
    except HeaderError as error:
        raise InvalidMail("headers", error.reason) from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # BadHeaderError, unknown charsets, odd parts
        raise InvalidMail("headers", f"cannot be built: {error}"[:300]) from error
    return content
