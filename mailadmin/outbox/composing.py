"""Turns a `Mail` into what the outbox stores: checked addresses and finished MIME bytes.

Everything is checked here, before anything is stored; every error is an `InvalidMail` naming the field.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from mailadmin.configuration.effective import Configuration
from mailadmin.errors import InvalidMail
from mailadmin.message import mime
from mailadmin.message.addresses import Address, AddressError, parse_address, parse_addresses
from mailadmin.message.headers import HeaderError, check_text, make_message_id
from mailadmin.message.mail import Mail
from mailadmin.message.recipient_patterns import matches
from mailadmin.models import SendMode
from maillog.models import Recipient
from maillog.queue.enqueueing import NewRecipient

MAX_RECIPIENTS = 500
MAX_SIZE = 25 * 1024 * 1024  # octets of the finished message; large providers accept as much
MAX_HEADERS = 50
TAG = re.compile(r"[\w.:/-]{1,50}")
MAX_METADATA_DEPTH = 20  # levels of metadata
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A message ready to be stored: `content` is MIME with CRLF line endings, `due` the earliest time it may leave."""

    sender: Address
    recipients: tuple[NewRecipient, ...]
    subject: str
    content: bytes
    message_id: str
    needs_smtputf8: bool
    has_attachment: bool
    due: datetime
    mode: str
    fingerprint: str


def compose(mail: Mail, *, configuration: Configuration, default_sender: str, now: datetime) -> Composed:
    """Check `mail` and build its MIME message, dated when it is due, in the zone of `now`.

    The sender is `mail.from_`, else the configured From address, else `default_sender` (the connection's own sender
    address, or ""). Raises InvalidMail.
    """
    sender = sender_of(mail.from_, configuration=configuration, default_sender=default_sender)
    to = addresses("to", mail.to)
    cc = addresses("cc", mail.cc)
    bcc = addresses("bcc", mail.bcc)
    reply_to = addresses("reply_to", mail.reply_to or [str(configuration.reply_to)] * bool(str(configuration.reply_to)))
    check_envelope(mail)
    leaves_at = due(mail.send_at, now=now)
    message_id = make_message_id(sender.envelope.rpartition("@")[2])
    try:
        built = mime.build(
            sender=sender,
            to=to,
            cc=cc,
            reply_to=reply_to,
            subject=text("subject", mail.subject),
            text=mail.text,
            html=mail.html,
            attachments=mail.attachments,
            headers=mail.headers,
            message_id=message_id,
            date=leaves_at.astimezone(now.tzinfo),
        )
    except HeaderError as error:
        raise InvalidMail("headers", str(error)) from error
    check_size(built.content)
    return Composed(
        sender=sender,
        recipients=envelope_recipients(to, cc, bcc),
        subject=mail.subject,
        content=built.content,
        message_id=message_id,
        needs_smtputf8=built.needs_smtputf8 or any(one.needs_smtputf8 for one in bcc),
        has_attachment=bool(mail.attachments),
        due=leaves_at,
        mode=mode_of(mail.mode, leaves_at > now, configuration),
        fingerprint=fingerprint(mail),
    )


def sender_of(
    given: str, *, configuration: Configuration, default_sender: str, single_label: bool | None = None
) -> Address:
    """Return the From address. Raises InvalidMail for `from_` if it is invalid or none is configured."""
    try:
        if given:
            return parse_address(given, single_label=single_label)
        spec = str(configuration.from_address) or default_sender
        if not spec:
            raise InvalidMail("from_", "is not given, and no From address is set in the mail settings")
        bare = parse_address(spec)
        return Address(str(configuration.from_name) or bare.display_name, bare.local, bare.domain)
    except AddressError as error:
        raise InvalidMail("from_", str(error)) from error


def addresses(field: str, given: Sequence[str], *, single_label: bool | None = None) -> tuple[Address, ...]:
    """Parse the addresses of `field`; `single_label` as for `parse_address`. Raises InvalidMail."""
    try:
        return parse_addresses(given, limit=MAX_RECIPIENTS, single_label=single_label)
    except AddressError as error:
        raise InvalidMail(field, str(error)) from error


def text(field: str, value: str, *, max_length: int = 998) -> str:
    """Return `value` if it fits in one header line. Raises InvalidMail."""
    try:
        return check_text(value, field=field, max_length=max_length)
    except HeaderError as error:
        raise InvalidMail(field, error.reason) from error


def check_envelope(mail: Mail) -> None:
    """Check the number of recipients, that there is a text, and what is stored beside it. Raises InvalidMail."""
    count = len(mail.to) + len(mail.cc) + len(mail.bcc)
    if not count:
        raise InvalidMail("to", "names no recipient")
    if count > MAX_RECIPIENTS:
        raise InvalidMail("to", f"has more than {MAX_RECIPIENTS} recipients with cc and bcc")
    if not (mail.text or mail.html or mail.attachments):
        raise InvalidMail("text", "is empty, and there is no HTML and no attachment either")
    if len(mail.headers) > MAX_HEADERS:
        raise InvalidMail("headers", f"are more than {MAX_HEADERS}")
    check_stored(mail)


def check_stored(mail: Mail) -> None:
    """Check what is stored beside the MIME message. Raises InvalidMail."""
    if mail.language and not LANGUAGE.fullmatch(mail.language):
        raise InvalidMail("language", "is not a language code such as de or de-AT")
    text("connection_hint", mail.connection_hint, max_length=100)
    text("idempotency_key", mail.idempotency_key, max_length=200)
    if len(mail.tags) > 20 or not all(TAG.fullmatch(tag) for tag in mail.tags):
        raise InvalidMail("tags", "must be at most 20 words of letters, digits and . : / - _ (50 characters each)")
    check_metadata(mail.metadata)


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Raise InvalidMail unless `metadata` is a small JSON object."""
    if not metadata:
        return
    if is_deeper(metadata, MAX_METADATA_DEPTH):
        raise InvalidMail("metadata", f"is nested more than {MAX_METADATA_DEPTH} levels deep")
    try:
        text = json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMail("metadata", "is not a JSON object") from error
    if NUL.search(text):
        raise InvalidMail("metadata", "holds a NUL character, which PostgreSQL does not store")
    if size > 10_000:
        raise InvalidMail("metadata", "is larger than 10,000 octets")


def is_deeper(data: object, levels: int) -> bool:
    """Return whether mappings and lists in `data` are nested more than `levels` deep."""
    if not isinstance(data, Mapping | list | tuple):
        return False
    inside = data.values() if isinstance(data, Mapping) else data
    return levels == 0 or any(is_deeper(one, levels - 1) for one in inside)


def check_size(content: bytes) -> None:
    """Raise InvalidMail if the finished message exceeds MAX_SIZE."""
    if len(content) > MAX_SIZE:
        raise InvalidMail("attachments", f"make the message larger than {MAX_SIZE // 1024 // 1024} MB")


def due(send_at: datetime | None, *, now: datetime) -> datetime:
    """Return the earliest time the message may leave. Raises InvalidMail for more than a year ahead."""
    if send_at is None:
        return now
    if (send_at - now).days > 366:
        raise InvalidMail("send_at", "is more than a year away")
    return max(send_at, now)


def mode_of(given: str | None, leaves_later: bool, configuration: Configuration) -> str:
    """Return the mode `given`, or the configured one. Raises InvalidMail for an unknown mode."""
    if given is not None and given not in SendMode.values:
        raise InvalidMail("mode", f"must be one of {', '.join(SendMode.values)}")
    return str(SendMode.BACKGROUND if leaves_later else given or configuration.mode)


def envelope_recipients(
    to: Sequence[Address], cc: Sequence[Address], bcc: Sequence[Address]
) -> tuple[NewRecipient, ...]:
    """Return the recipients, each address once, under the rules for staging systems.

    ``MAIL_ALWAYS_TO`` replaces all recipients by that address; ``MAIL_ALLOWED_RECIPIENTS`` skips those that no pattern
    matches. Skipped recipients stay on record with the reason.
    """
    always_to, allowed = settings.MAIL.always_to, settings.MAIL.allowed_recipients
    kinds = ((Recipient.Kind.TO, to), (Recipient.Kind.CC, cc), (Recipient.Kind.BCC, bcc))
    found: dict[str, NewRecipient] = {}
    for kind, addresses in kinds:
        for one in addresses:
            skipped = ""
            if always_to:
                skipped = f"MAIL_ALWAYS_TO sends everything to {always_to}."
            elif allowed and not any(matches(pattern, one.addr_spec) for pattern in allowed):
                skipped = "Not among MAIL_ALLOWED_RECIPIENTS."
            found.setdefault(
                one.addr_spec.casefold(),
                NewRecipient(kind=kind, address=one.envelope, shown=one.addr_spec, skipped=skipped),
            )
    if always_to:
        target = parse_address(always_to)
        found[target.addr_spec.casefold()] = NewRecipient(
            kind=Recipient.Kind.TO, address=target.envelope, shown=target.addr_spec
        )
    return tuple(found.values())


def stored_key(mail: Mail) -> str:
    """Return the idempotency key with its owner in front, "" if there is no key."""
    return mail.idempotency_key and f"{mail.idempotency_owner}:{mail.idempotency_key}"


def fingerprint(mail: Mail) -> str:
    """Return a digest of content and recipients, which tells a repeated request from a reused idempotency key.

    It is keyed with SECRET_KEY: from a plain digest, a code in a deleted message could be found by trying all codes.
    """
    if not mail.idempotency_key:
        return ""
    value = mail.fingerprint or _content_digest(mail)
    return salted_hmac("mailadmin.outbox.fingerprint", value, algorithm="sha256").hexdigest()


def _content_digest(mail: Mail) -> str:
    digest = hashlib.sha256()
    parts = (mail.from_, list(mail.to), list(mail.cc), list(mail.bcc), list(mail.reply_to), mail.subject, mail.text)
    digest.update(repr((*parts, mail.html, sorted(mail.headers.items()))).encode("utf-8", "surrogatepass"))
    for attachment in mail.attachments:
        digest.update(repr((attachment.filename, attachment.content_type, attachment.content_id)).encode())
        digest.update(hashlib.sha256(attachment.content).digest())
    return digest.hexdigest()
