"""Seven-bit encodings: encoded words, parameter values, quoted-printable, base64.

Works on bytes because the standard library's classes take longer than sending a message does. Knows nothing about
header names or message structure; every result is ASCII, with CRLF as the only line ending.
"""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp

MAX_LINE = 998  # octets without CRLF, RFC 5322 2.1.1
_WORD_FRAME = len("=?utf-8?q??=")
MAX_ENCODED_WORD = 75  # RFC 2047 2
MIN_WORD_ROOM = 24  # one character of four octets is 12 in Q encoding, in addition to the frame of 12

# RFC 2047 5 (3): octets allowed unencoded in a phrase, the strictest of the three contexts.
_Q_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q_SINGLE = _Q_SAFE + b" "  # a space takes one octet as well
_Q_TABLE = tuple(b"_" if i == 32 else bytes([i]) if i in _Q_SAFE else b"=%02X" % i for i in range(256))
# RFC 2231 7 attribute-char: a token without * ' %
_PARAMETER_SAFE = _Q_SAFE.replace(b"*", b"").replace(b"/", b"") + b"#$&.^_`{|}~"
_PARAMETER_TABLE = tuple(bytes([i]) if i in _PARAMETER_SAFE else b"%%%02X" % i for i in range(256))
_ASCII = bytes(range(128))
BARE_LINE_END = re.compile(rb"\r\n?|\n")


def encoded_words(text: str, first_room: int) -> list[bytes]:
    """Encode text as RFC 2047 encoded words, in Q or B encoding, whichever is shorter.

    `first_room`: octets available to the first word, at least MIN_WORD_ROOM; the others have up to 75. Characters are
    not split between words. Raises UnicodeEncodeError for lone surrogates.
    """
    data = text.encode()
    length = len(data)
    q_length = length + 2 * len(data.translate(None, _Q_SINGLE))
    room = min(max(first_room, MIN_WORD_ROOM), MAX_ENCODED_WORD) - _WORD_FRAME
    if q_length <= 4 * -(-length // 3):
        return _q_words(data, room)
    return _b_words(data, room)


def _q_words(data: bytes, room: int) -> list[bytes]:
    coded = b"".join(map(_Q_TABLE.__getitem__, data))
    words = []
    start = 0
    while start < len(coded):
        end = start + room
        if end < len(coded):
            end -= 1 if coded[end - 1] == 61 else 2 if coded[end - 2] == 61 else 0  # not inside "=C3"
            while coded[end] == 61 and coded[end + 1] in b"89AB":  # not before an octet that continues a character
                end -= 3
        words.append(b"=?utf-8?q?%b?=" % coded[start:end])
        start = end
        room = MAX_ENCODED_WORD - _WORD_FRAME
    return words


def _b_words(data: bytes, room: int) -> list[bytes]:
    words = []
    start = 0
    while start < len(data):
        end = start + room // 4 * 3
        if end < len(data):
            while data[end] & 0xC0 == 0x80:
                end -= 1
        words.append(b"=?utf-8?b?%b?=" % b2a_base64(data[start:end], newline=False))
        start = end
        room = MAX_ENCODED_WORD - _WORD_FRAME
    return words


def parameter(name: bytes, value: str) -> list[bytes]:
    """Encode a MIME parameter as RFC 2231 pieces of at most 76 octets, in sections if it does not fit into one."""
    coded = [_PARAMETER_TABLE[octet] for octet in value.encode()]
    room = 70 - len(name) - len("*99*=utf-8''")
    if sum(map(len, coded)) <= room:
        return [b"%b*=utf-8''%b" % (name, b"".join(coded))]
    sections = [b""]
    for octet in coded:
        if len(sections[-1]) + len(octet) > room:
            sections.append(b"")
        sections[-1] += octet
    return [b"%b*%d*=%b%b" % (name, i, b"" if i else b"utf-8''", part) for i, part in enumerate(sections)]


def quoted_string(text: str) -> str:
    """Return ASCII text as an RFC 5322 3.2.4 quoted-string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encode_text(text: str) -> tuple[bytes, bytes]:
    """Encode the text of a body: (Content-Transfer-Encoding, octets that end with CRLF).

    Every line ending becomes CRLF. ASCII without NUL, in lines of up to 998 octets, is unchanged (7bit, RFC 2045 2.7);
    other text is quoted-printable, or base64 if that is shorter. Raises UnicodeEncodeError for lone
    surrogates.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    plain = text.isascii() and "\0" not in text and _lines_fit(text)
    data = text.replace("\n", "\r\n").encode()
    return (b"7bit", data) if plain else _shorter(data)


def encode_octets(data: bytes) -> tuple[bytes, bytes]:
    """Encode text of any charset as quoted-printable or base64: (Content-Transfer-Encoding, octets).

    Line endings become CRLF, except in text with NUL, which is UTF-16 or no text.
    """
    if b"\0" in data:
        return b"base64", base64_lines(data)
    encoding, octets = _shorter(BARE_LINE_END.sub(b"\r\n", data))
    return encoding, BARE_LINE_END.sub(b"\r\n", octets)  # b2a_qp breaks lines by LF in text without a line ending


def _shorter(data: bytes) -> tuple[bytes, bytes]:
    unsafe = len(data.translate(None, _ASCII)) + data.count(b"=") + data.count(b"\0")
    if 3 * (len(data) + 2 * unsafe) <= 4 * len(data):
        return b"quoted-printable", b2a_qp(data)
    return b"base64", base64_lines(data)


def _lines_fit(text: str) -> bool:
    start, length = 0, len(text)
    while length - start > MAX_LINE:  # in steps of one maximal line
        line_end = text.rfind("\n", start, start + MAX_LINE + 1)
        if line_end < 0:
            return False
        start = line_end + 1
    return True


def base64_lines(data: bytes) -> bytes:
    """Encode octets as base64 in lines of 76 (RFC 2045 6.8), each ending with CRLF."""
    coded = b2a_base64(data, newline=False)
    if len(coded) <= 76:
        return coded + b"\r\n"
    return b"\r\n".join([coded[i : i + 76] for i in range(0, len(coded), 76)]) + b"\r\n"


def seven_bit(data: bytes) -> bytes | None:
    """Return a whole message as 7bit (CRLF line endings), or None for 8-bit octets, NUL or lines that are too long."""
    if not data.isascii() or b"\0" in data:
        return None
    data = BARE_LINE_END.sub(b"\r\n", data)
    if not data.endswith(b"\r\n"):
        data += b"\r\n"
    return data if max(map(len, data.split(b"\r\n"))) <= MAX_LINE else None
