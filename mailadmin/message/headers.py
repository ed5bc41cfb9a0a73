"""Header fields: validating text, encoding fields, and checking the finished block.

Owns the protection against header injection: invalid text is refused, never repaired, and lines are folded here because
the standard library's folding (Python 3.11) lets an encoded line feed or a long quoted name start a new field. Knows
nothing about bodies.
"""

from __future__ import annotations

import re
import time
from os import urandom
from typing import TYPE_CHECKING

from mailadmin.message.addresses import CONTROL_CHARACTERS, AddressError, a_labels
from mailadmin.message.encodings import MAX_LINE, MIN_WORD_ROOM, encoded_words, quoted_string

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailadmin.message.addresses import Address

FOLD_AT = 76  # octets per line, RFC 2047 2; RFC 5322 2.1.1 would allow 78
MAX_NAME = 76  # octets of a field name
_LONGEST_WORD = 900  # a longer word is encoded, so that no line reaches 998
_LONGEST_PLAIN_NAME = 64  # a longer display name is encoded: it is never folded inside quotation marks

_FIELD_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322 3.6.8 ftext
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LOOKS_ENCODED = re.compile(r"=\?[^?]*\?[bBqQ]\?")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[A-Za-z0-9:.]+\]")  # or an address literal

# Written by the builder or by servers; a caller's copy could contradict them, forge them or add a recipient.
_OWNED = frozenset({
    "from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "mime-version",
    "return-path", "received", "received-spf", "dkim-signature", "domainkey-signature", "authentication-results",
    "delivered-to", "apparently-to", "x-original-to",
})  # fmt: skip
_OWNED_PREFIXES = ("content-", "resent-", "arc-")

# RFC 5322 3.6 (at most once) and RFC 2045 3; Bcc never
_COUNTED = frozenset({
    b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"subject", b"date", b"message-id", b"in-reply-to",
    b"references", b"mime-version", b"content-type", b"content-transfer-encoding",
})  # fmt: skip
_BLOCK = re.compile(
    rb"(?:[!-9;-~]++:[\t -~\x80-\xff]*+\r\n"  # a field
    rb"(?:[\t ]++[!-~\x80-\xff][\t -~\x80-\xff]*+\r\n)*+)++"  # its continuations, none blank
)
_NAMES = re.compile(rb"\n([!-9;-~]+):")


class HeaderError(ValueError):
    """A header field that must not be sent: its name in `field`, and the `reason`."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(field, reason)
        self.field = field
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field} {self.reason}"


def check_text(value: str, *, field: str, max_length: int = MAX_LINE) -> str:
    """Return `value` unchanged if it is allowed in a header field.

    Raises HeaderError for C0 but for tabs, DEL, C1, U+2028, U+2029, lone surrogates and more than `max_length`
    characters.
    """
    if CONTROL_CHARACTERS.search(value.replace("\t", " ")):
        raise HeaderError(field, "contains a control character")
    if len(value) > max_length:
        raise HeaderError(field, f"has more than {max_length} characters")
    return value


def check_name(name: str) -> str:
    """Return the name of a caller's header field unchanged if it is allowed (RFC 5322 3.6.8).

    Raises HeaderError for invalid names and for fields that the builder or servers write.
    """
    if not _FIELD_NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise HeaderError("headers", "contain an invalid field name")
    lowered = name.lower()
    if lowered in _OWNED or lowered.startswith(_OWNED_PREFIXES):
        raise HeaderError("headers", f"must not set {name}")
    return name


def make_message_id(domain: str) -> str:
    """Return a new unique `<...@domain>` (RFC 5322 3.6.4). Raises HeaderError if `domain` is not a host name."""
    try:
        wire_domain = domain if domain.isascii() else a_labels(domain)
    except AddressError as error:
        raise HeaderError("Message-ID", "needs a host name") from error
    if not _HOST_NAME.fullmatch(wire_domain):
        raise HeaderError("Message-ID", "needs a host name")
    return f"<{time.time_ns() // 1000:x}.{urandom(12).hex()}@{wire_domain}>"


def encode_unstructured(name: str, value: str) -> bytes:
    """Encode one field of free text, folded, ending with CRLF (RFC 5322 3.2.5, RFC 2047).

    Only the part from the first to the last word that requires it is encoded. Spaces at both ends are dropped, all
    others are kept; a tab is written as a space. Raises HeaderError for control characters.
    """
    value = value.replace("\t", " ")
    if CONTROL_CHARACTERS.search(value):
        raise HeaderError(name, "contains a control character")
    value = value.strip(" ")
    if len(name) + len(value) <= FOLD_AT - 2 and value.isascii() and "=?" not in value:
        return f"{name}: {value}\r\n".encode("ascii")
    words = value.split(" ")
    disguised = _LOOKS_ENCODED.search(value) is not None  # would be decoded as an encoded word
    coded = [
        place
        for place, word in enumerate(words)
        if not word.isascii() or len(word) > _LONGEST_WORD or (disguised and "=?" in word)
    ]
    line = _FoldedLine(name)
    if not coded:
        line.add_words(words)
        return line.finish()
    first, last = coded[0], coded[-1] + 1
    while first and not words[first - 1]:  # consecutive spaces next to an encoded word survive only inside it
        first -= 1
    while last < len(words) and not words[last]:
        last += 1
    line.add_words(words[:first])
    line.add_encoded(" ".join(words[first:last]))
    line.add_words(words[last:])
    return line.finish()


def encode_addresses(name: str, addresses: Sequence[Address]) -> bytes:
    """Encode one field of mailboxes, folded, ending with CRLF (RFC 5322 3.4).

    Domains are written as A-labels, except with a non-ASCII local part, which requires SMTPUTF8 anyway (RFC 6532).
    Raises HeaderError if there is no address or a name contains control characters.
    """
    if not addresses:
        raise HeaderError(name, "names no recipient")
    mailboxes = []
    for address in addresses:
        spec = address.addr_spec if address.needs_smtputf8 else address.envelope
        phrase = _phrase(name, address.display_name)
        if phrase is None:
            break
        mailboxes.append(f"{phrase} <{spec}>" if phrase else spec)
    else:
        whole = f"{name}: {', '.join(mailboxes)}\r\n".encode()
        if len(whole) <= FOLD_AT + 2:
            return whole
    line = _FoldedLine(name)
    for place, address in enumerate(addresses, 1):
        comma = "," if place < len(addresses) else ""
        spec = address.addr_spec if address.needs_smtputf8 else address.envelope
        if not address.display_name:
            line.add(f" {spec}{comma}".encode())
            continue
        phrase = _phrase(name, address.display_name)
        if phrase is None:
            line.add_encoded(address.display_name)
        else:
            line.add(f" {phrase}".encode("ascii"))
        line.add(f" <{spec}>{comma}".encode())
    return line.finish()


def _phrase(field: str, display_name: str) -> str | None:
    """Return a display name as atoms or a quoted-string, or None if it requires encoded words."""
    if CONTROL_CHARACTERS.search(display_name):
        raise HeaderError(field, "contains a control character")
    if not display_name.isascii() or "=?" in display_name or len(display_name) > _LONGEST_PLAIN_NAME:
        return None
    if not display_name or _ATOMS.fullmatch(display_name):
        return display_name
    return quoted_string(display_name)


class _FoldedLine:
    """A field under construction: pieces are added, each with its leading space, and lines are folded between them."""

    __slots__ = ("_at_start", "_column", "_parts")

    def __init__(self, name: str) -> None:
        self._parts = [name.encode("ascii"), b":"]
        self._column = len(name) + 1
        self._at_start = True  # no fold directly after the name: the first line would be empty

    def add(self, piece: bytes) -> None:
        if self._column + len(piece) > FOLD_AT and not self._at_start:
            self._parts.append(b"\r\n")
            self._column = 0
        self._parts.append(piece)
        self._column += len(piece)
        self._at_start = False

    def add_words(self, words: Sequence[str]) -> None:
        spaces = b" "
        for word in words:
            if word:
                self.add(spaces + word.encode("ascii"))
                spaces = b" "
            else:
                spaces += b" "

    def add_encoded(self, text: str) -> None:
        room = FOLD_AT - self._column - 1
        if room < MIN_WORD_ROOM and not self._at_start:
            room = FOLD_AT - 1
        for word in encoded_words(text, room):
            self.add(b" " + word)

    def finish(self) -> bytes:
        self._parts.append(b"\r\n")
        return b"".join(self._parts)


def check_block(block: bytes, *, utf8: bool = False) -> None:
    """Check a finished header block, as the last barrier before the wire.

    Every line must be a field or a continuation; CRLF and tabs are the only control characters; no line exceeds
    998 octets; no field that may occur once occurs twice; there is no Bcc; and it is ASCII unless `utf8`. Raises
    HeaderError.
    """
    if not _BLOCK.fullmatch(block):
        raise HeaderError("headers", "contain a control character or a line that is not a header field")
    if not utf8 and not block.isascii():
        raise HeaderError("headers", "contain non-ASCII characters")
    if len(block) > MAX_LINE and max(map(len, block.split(b"\r\n"))) > MAX_LINE:
        raise HeaderError("headers", f"have a line of more than {MAX_LINE} octets")
    names = [name for name in _NAMES.findall(b"\n" + block.lower()) if name in _COUNTED]
    if b"bcc" in names or len(set(names)) < len(names):
        raise HeaderError("headers", "contain a duplicate field or a field that must not be sent")
