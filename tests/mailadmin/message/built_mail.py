"""Builds sample messages and reads them with the standard library's parser, for the tests of the builder."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, MIMEPart
from email.policy import default
from typing import Any

from mailadmin.message.addresses import Address
from mailadmin.message.mime import BuiltMessage, build

SHOP = Address("Example Shop", "shop", "example.com")
ANN = Address("Ann Lee", "ann", "example.org")
BOB = Address("", "bob", "example.net")
NOON = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
MESSAGE_ID = "<5f1e2d.0123456789abcdef@example.com>"
SINGLE = {"from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version", "content-type"}


def built(**changes: Any) -> BuiltMessage:
    parts: dict[str, Any] = {
        "sender": SHOP,
        "to": (ANN,),
        "cc": (),
        "reply_to": (),
        "subject": "Hello",
        "text": "Hello Ann",
        "html": "",
        "attachments": (),
        "headers": {},
        "message_id": MESSAGE_ID,
        "date": NOON,
    }
    return build(**(parts | changes))


def read(message: BuiltMessage) -> EmailMessage:
    """Parse with the standard library, after the rules that hold for every message have been checked."""
    content = message.content
    assert content.endswith(b"\r\n")
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\0" not in content
    assert message.needs_smtputf8 or content.isascii()
    assert not message.needs_8bitmime
    parsed = message_from_bytes(content, policy=default)
    assert isinstance(parsed, EmailMessage)
    assert "bcc" not in parsed
    names = [name.lower() for name in parsed.keys()]  # noqa: SIM118  (duplicates count)
    assert all(names.count(name) == 1 for name in SINGLE - {"to", "cc", "reply-to"})
    for part in parsed.walk():
        assert not part.defects
    return parsed


def text_of(part: MIMEPart | None) -> str:
    assert part is not None
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets.decode()


def shape(part: EmailMessage) -> Any:
    if not part.is_multipart():
        return part.get_content_type()
    return (part.get_content_subtype(), *(shape(child) for child in part.iter_parts()))  # type: ignore[arg-type]
