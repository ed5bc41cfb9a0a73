"""Parses a stored message for display: quickly and without raising, whatever the octets are.

Uses the standard library's parser with its oldest policy, in which headers stay raw text until `header_text` decodes
them. Everything is bounded: the octets, each header (its parameters are parsed in quadratic time), the parts, and the
time (each line is compared with the boundaries of all enclosing parts).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email._policybase import Compat32
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesFeedParser

LARGEST = 4 * 1024 * 1024  # octets read; text usually comes first, so that only attachments are cut off
LONGEST_TEXT = 200_000  # characters of the text or the source on a page
LONGEST_HTML = 2_000_000
MOST_HEADERS = 200
LONGEST_HEADER = 4_000
MOST_PARTS = 200
CHUNK = 64 * 1024
MAX_CPU_SECONDS = 0.6  # for parsing; an ordinary message of 4 MB takes a tenth of that
# What the email package is known to raise on hostile input: unknown charsets, broken base64, odd parameters.
PARSE_ERRORS = (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError, AssertionError)
CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


class BoundedHeaders(Compat32):
    """The parser's oldest policy, with every header cut to LONGEST_HEADER characters."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name[:100], value[:LONGEST_HEADER]


POLICY = BoundedHeaders()


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """One attachment. `size` is in octets, estimated without decoding base64."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image that the HTML part may refer to by its Content-ID."""

    content_type: str
    content: bytes = field(repr=False)


@dataclass(slots=True)
class MailView:
    """The displayable parts of a message. `images` are by Content-ID.

    `problem` is "" (none), "large" (only the first 4 MB were read) or "nested" (too deep or too malformed to be parsed;
    then there are only headers).
    """

    headers: list[tuple[str, str]] = field(default_factory=list)
    text: str | None = None
    html: str | None = None
    attachments: list[AttachmentView] = field(default_factory=list)
    images: dict[str, InlineImage] = field(default_factory=dict)
    problem: str = ""


def read_mail(mime: bytes) -> MailView:
    """Return the displayable parts of `mime`, after at most a second of processor time."""
    view = MailView(problem="large" if len(mime) > LARGEST else "")
    message = parse(mime[:LARGEST])
    if message is None:
        view.problem = "nested"
        head = re.split(rb"\r?\n\r?\n", mime[: 16 * CHUNK], maxsplit=1)[0]
        message = parse(head + b"\r\n\r\n") or Message()
        view.headers = headers_of(message)
        return view
    view.headers = headers_of(message)
    for part in leaves(message):
        add_part(view, part)
    return view


def parse(mime: bytes) -> Message | None:
    """Return the parsed message, or None if it takes too long or is nested too deeply.

    Measured in processor time of this thread; otherwise, a busy machine would show nothing.
    """
    parser = BytesFeedParser(policy=POLICY)
    deadline = time.thread_time() + MAX_CPU_SECONDS
    try:
        for start in range(0, len(mime), CHUNK):
            parser.feed(mime[start : start + CHUNK])
            if time.thread_time() > deadline:
                return None
        return parser.close()
    except PARSE_ERRORS:
        return None


def headers_of(message: Message) -> list[tuple[str, str]]:
    """Return the names and decoded values of the headers, in order, at most MOST_HEADERS."""
    items = list(message.raw_items())[:MOST_HEADERS]
    return [(header_text(name), header_text(str(value))) for name, value in items]


def leaves(message: Message) -> list[Message]:
    """Return the parts that are not multipart, in order, at most MOST_PARTS."""
    found: list[Message] = []
    waiting: list[Message] = [message]
    while waiting and len(found) < MOST_PARTS:
        part = waiting.pop()
        children = part.get_payload() if part.is_multipart() and part.get_content_maintype() == "multipart" else None
        if isinstance(children, list):
            waiting.extend(reversed([child for child in children if isinstance(child, Message)]))
        else:
            found.append(part)
    return found


def add_part(view: MailView, part: Message) -> None:
    """Add one part to `view`: as its text or HTML if it is the first, else as an attachment and perhaps an image."""
    content_type = part.get_content_type()
    name = file_name(part)
    attached = str(part.get("Content-Disposition", "")).strip().lower().startswith("attachment")
    if content_type == "text/plain" and view.text is None and not attached and not name:
        view.text = text_of(part)[:LONGEST_TEXT]
    elif content_type == "text/html" and view.html is None and not attached and not name:
        view.html = text_of(part)[:LONGEST_HTML]
    else:
        view.attachments.append(AttachmentView(name, CONTROL_CHARACTERS.sub("�", content_type)[:100], size_of(part)))
        content_id = header_text(str(part.get("Content-ID", ""))).strip().strip("<>")
        if content_id and content_type in {"image/png", "image/jpeg", "image/gif", "image/webp"}:
            view.images.setdefault(content_id, InlineImage(content_type, octets_of(part)))


def file_name(part: Message) -> str:
    """Return the decoded file name of the part without control characters, "" if it has none."""
    try:
        name = part.get_filename("")
    except PARSE_ERRORS:
        return ""
    return header_text(str(name))[:255]


def octets_of(part: Message) -> bytes:
    """Return the decoded octets of a part; octets with a broken encoding are returned undecoded."""
    try:
        payload = part.get_payload(decode=True)
    except PARSE_ERRORS:
        payload = None
    return payload if isinstance(payload, bytes) else b""


def text_of(part: Message) -> str:
    """Return the text of a part; octets that are invalid in its charset become replacement characters."""
    octets = octets_of(part)
    try:
        charset = part.get_content_charset("utf-8")
        text = octets.decode(str(charset), "replace")
    except PARSE_ERRORS:
        text = octets.decode("utf-8", "replace")
    text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates, from charsets such as UTF-7
    return text.replace("\r\n", "\n").replace("\0", "�")


def size_of(part: Message) -> int:
    """Return the size of a part in octets, estimated for base64; 0 if it is unknown."""
    payload = part.get_payload()
    if isinstance(payload, str):
        if str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64":
            breaks = payload.count("\n") + payload.count("\r")
            return max(0, (len(payload) - breaks) * 3 // 4 - payload[-4:].count("="))
        return len(payload)
    size = 0
    with suppress(*PARSE_ERRORS):  # a message within a message
        inner: Sequence[object] = payload if isinstance(payload, list) else []
        size = sum(len(one.as_bytes()) for one in inner if isinstance(one, Message))
    return size


def header_text(raw: str) -> str:
    """Return a header's value unfolded and decoded (RFC 2047), at most 4,000 characters; never raises."""
    raw = raw[:LONGEST_HEADER]
    if not raw.isascii():  # the parser represents 8-bit octets as surrogates
        raw = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    text = " ".join(line.strip() for line in raw.splitlines())
    if "=?" in text:
        with suppress(*PARSE_ERRORS):
            text = "".join(decode_word(octets, charset) for octets, charset in decode_header(text))
    return CONTROL_CHARACTERS.sub("�", text.encode("utf-8", "replace").decode("utf-8"))


def decode_word(octets: bytes | str, charset: str | None) -> str:
    """Return one encoded word of a header as text."""
    if isinstance(octets, str):
        return octets
    try:
        return octets.decode(charset or "ascii", "replace")
    except LookupError:
        return octets.decode("utf-8", "replace")


def source_text(mime: bytes) -> tuple[str, bool]:
    """Return the first 200,000 octets as text, and whether more follow."""
    text = mime[:LONGEST_TEXT].decode("utf-8", "replace").replace("\r\n", "\n")
    return CONTROL_CHARACTERS.sub("�", text), len(mime) > LONGEST_TEXT
