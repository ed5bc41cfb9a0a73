"""Builds the MIME message of a Django EmailMessage.

Django builds the parts, so everything it supports is kept (other alternatives, attached messages, its encodings). The
fields with addresses, Subject and Message-ID are written by us: the standard library folds and encodes some of them
wrongly, each version of it others. A class that builds its message itself keeps the fields as it wrote them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.errors import MessageError
from typing import NamedTuple

from django.core.mail import EmailMessage

from mailadmin.errors import InvalidMail
from mailadmin.message.addresses import CONTROL_CHARACTERS, Address, split_addresses
from mailadmin.message.encodings import MAX_LINE
from mailadmin.message.headers import (
    HeaderError,
    check_block,
    check_text,
    encode_addresses,
    encode_unstructured,
    make_message_id,
)
from mailadmin.message.mime import header_date
from mailadmin.message.seven_bit import AnyMessage, seven_bit_message
from mailadmin.outbox import composing

MAX_HEADER_VALUE = 10_000  # characters
MAX_MESSAGE_ID = MAX_LINE - len("Message-ID: ")
OTHER_ADDRESS_FIELDS = frozenset({"sender", "resent-from", "resent-sender", "resent-to", "resent-cc"})

Mailboxes = Sequence[Address]


class DjangoMime(NamedTuple):
    """A message ready for the wire, and of its header what the log stores."""

    content: bytes
    subject: str
    message_id: str
    needs_smtputf8: bool


def build(message: EmailMessage, fields: Mapping[str, Mailboxes], *, date: datetime | None) -> DjangoMime:
    """Build `message`, which is not changed, with the address `fields`, which its own headers replace.

    `date`: for the Date field if it has none of its own; None is the time of building. Raises InvalidMail.
    """
    subject = composing.text("subject", str(message.subject))
    headers = {name: str(value) for name, value in message.extra_headers.items()}
    _check_headers(headers)
    _check_file_names(message)
    message_id = next((value for name, value in headers.items() if name.lower() == "message-id"), "")
    domain = fields["From"][0].envelope.rpartition("@")[2]
    message_id = _checked_message_id(message_id) if message_id else make_message_id(domain)
    copied = copy.copy(message)
    copied.from_email = str(fields["From"][0])
    for name, attribute in (("To", "to"), ("Cc", "cc"), ("Reply-To", "reply_to")):
        setattr(copied, attribute, [str(one) for one in fields[name]])
    copied.extra_headers = {name: value for name, value in headers.items() if name.lower() != "message-id"}
    copied.extra_headers["Message-ID"] = message_id
    if date is not None and not any(name.lower() == "date" for name in headers):
        copied.extra_headers["Date"] = header_date(date).decode("ascii")
    try:
        built = copied.message()
        if type(message).message is not EmailMessage.message:
            return _as_built(built, subject, message_id)
        own = {name: _own_addresses(name, headers[name]) if name in headers else fields[name] for name in fields}
        head = b"".join(_address_field(name, given) for name, given in own.items() if given)
        head += encode_unstructured("Subject", subject) + f"Message-ID: {message_id}\r\n".encode("ascii")
        for name in (*own, "Subject", "Message-ID"):
            del built[name]
        content = head + seven_bit_message(built)
        mailboxes = [one for given in own.values() if not isinstance(given, str) for one in given]
        needs_smtputf8 = any(one.needs_smtputf8 for one in mailboxes)
        _check_head(content, utf8=needs_smtputf8)
    except HeaderError as error:
        raise InvalidMail("headers", error.reason) from error
    except (MessageError, ValueError, TypeError, LookupError, AttributeError) as error:
        # Unknown charsets, odd parts, and what only the standard library refuses (BadHeaderError is a ValueError).
        raise InvalidMail("headers", f"cannot be built: {error}"[:300]) from error
    return DjangoMime(content, subject, message_id, needs_smtputf8)


def _as_built(built: AnyMessage, subject: str, message_id: str) -> DjangoMime:
    """Return the message of a class that builds it itself. Raises HeaderError, ValueError."""
    if built["Message-ID"]:
        message_id = _checked_message_id("".join(str(built["Message-ID"]).split()))
    else:
        built["Message-ID"] = message_id
    content = seven_bit_message(built)
    _check_head(content, utf8=False)
    return DjangoMime(content, subject, message_id, needs_smtputf8=False)


def _check_head(content: bytes, *, utf8: bool) -> None:
    head, border, _body = content.partition(b"\r\n\r\n")
    check_block(head + border[:2], utf8=utf8)


def _check_headers(headers: Mapping[str, str]) -> None:
    """Check the extra headers. Raises InvalidMail."""
    for name, value in headers.items():
        line = composing.text("headers", value, max_length=MAX_HEADER_VALUE)
        if name.lower() == "bcc":
            raise InvalidMail("headers", "must not contain Bcc; hidden recipients belong in bcc")
        if name.lower() in OTHER_ADDRESS_FIELDS:
            composing.addresses("headers", split_addresses(line))


def _check_file_names(message: EmailMessage) -> None:
    """Raise InvalidMail for an attachment whose name could leave its header field."""
    for attachment in message.attachments:
        name = attachment[0] if isinstance(attachment, tuple | list) else attachment.get_filename()
        if CONTROL_CHARACTERS.search(str(name or "")):
            raise InvalidMail("attachments", "file name contains a control character")


def _checked_message_id(message_id: str) -> str:
    if not message_id.isascii() or len(message_id) > MAX_MESSAGE_ID:
        raise InvalidMail("headers", f"Message-ID must be ASCII and at most {MAX_MESSAGE_ID} characters")
    return message_id.strip()


def _own_addresses(name: str, value: str) -> Mailboxes | str:
    """Return the mailboxes of an extra header; an empty group (RFC 5322 3.6.3) as text. Raises InvalidMail."""
    group = value.strip().removesuffix(";").rstrip()
    if name != "From" and group.endswith(":") and group.count(":") == 1 and value.rstrip().endswith(";"):
        return f"{check_text(group, field=name)};"
    return composing.addresses("headers", split_addresses(value))


def _address_field(name: str, given: Mailboxes | str) -> bytes:
    if isinstance(given, str):
        return encode_unstructured(name, given)
    return encode_addresses(name, given)
