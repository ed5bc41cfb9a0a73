"""What an SMTP server says: taken apart, made harmless, and rid of our own credentials.

A reply is somebody else's text that ends up in the log, on pages and in terminals. So it leaves this module as one line
of at most 1000 characters without control characters, and with everything struck out of it that we said while signing
in: some servers repeat the command that they refuse.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from maillog.queue.fast_dataclass import record

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 8192  # octets; RFC 5321 4.5.3.1.5 asks for 512
MAX_REPLY = 32768  # octets of all lines together
MAX_SHOWN = 1000  # characters kept of a reply
KEPT_REPLIES = 64  # read replies remembered by a connection,
KEPT_LINE = 100  # if they have at most so many octets
STRUCK_OUT = "[struck out]"

# RFC 5321 4.2: three digits, then a hyphen (more lines follow) or a space and text; the bare code is tolerated.
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|$)")  # RFC 3463 2
# C0, DEL, C1, line and paragraph separators, and the marks that reorder what is displayed.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}  # keeps every position, unlike str.lower
_WINDOW = 8  # characters of a credential that may not be repeated even alone (an echo may be cut or folded)


class NotAReply(Exception):
    """The server sent something that is no SMTP reply; `text` is its beginning, made harmless."""

    def __init__(self, raw: bytes, censor: Censor) -> None:
        self.text = harmless(censor(raw.decode("utf-8", "replace")), limit=200)
        super().__init__(self.text)


@record
class Reply:
    """A complete reply: `text` is one harmless line without credentials and without the enhanced code."""

    code: int
    enhanced_code: str
    text: str

    def __str__(self) -> str:
        """Return the whole, as the server said it."""
        return " ".join(part for part in (str(self.code), self.enhanced_code, self.text) if part)

    @property
    def is_positive(self) -> bool:
        """Whether the command was carried out (2yz)."""
        return 200 <= self.code < 300


class Replies:
    """Takes octets as they arrive and gives complete replies."""

    __slots__ = ("_censor", "_code", "_known", "_rest", "_size", "_texts")

    def __init__(self, censor: Censor) -> None:
        self._censor = censor
        self._rest = b""  # of a line whose end has not come
        self._code = b""
        self._texts: list[bytes] = []  # of the lines so far of an unfinished reply
        self._size = 0
        self._known: dict[bytes, Reply] = {}  # by its only line: most of what a server says, it says again and again

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield each reply that `data` completes. Raises NotAReply; nothing can be read after that."""
        *lines, self._rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        for line in lines:
            reply = None if self._texts else self._known.get(line)
            if reply is None:
                reply = self._read(line)
            if reply is not None:
                yield reply
        if len(self._rest) > MAX_LINE:
            raise NotAReply(self._rest, self._censor)

    def _read(self, line: bytes) -> Reply | None:
        """Return the reply that `line` completes, or None if more of its lines follow."""
        match = _LINE.fullmatch(line.rstrip(b"\r"))
        self._size += len(line)
        if match is None or len(line) > MAX_LINE or self._size > MAX_REPLY:
            raise NotAReply(line, self._censor)
        code, more, text = match.groups(b"")
        if self._texts and code != self._code:  # RFC 5321 4.2.1: the same code on every line
            raise NotAReply(line, self._censor)
        self._code = code
        self._texts.append(text)
        if more == b"-":
            return None
        reply = reply_from(int(code), b"\n".join(self._texts).decode("utf-8", "replace"), self._censor)
        if len(self._texts) == 1 and len(line) <= KEPT_LINE:
            if (
                len(self._known) >= KEPT_REPLIES
            ):  # with a number of its own for every mail none of them is worth keeping
                self._known.clear()
            self._known[line] = reply
        self._texts, self._size = [], 0
        return reply


def reply_from(code: int, message: str, censor: Censor) -> Reply:
    """Return the reply of that code whose lines' texts are `message`, separated by line feeds."""
    lines = message.split("\n")
    match = _ENHANCED.match(lines[0])
    enhanced = match[1] if match and match[1][0] == str(code)[0] else ""
    text = " ".join([line.removeprefix(enhanced).strip() for line in lines])
    return Reply(code=code, enhanced_code=enhanced, text=harmless(censor(text)))


def harmless(text: str, *, limit: int = MAX_SHOWN) -> str:
    """Return `text` as one line without control characters, at most `limit` characters long."""
    if len(text) <= limit and text.isprintable():  # nearly always
        return text.strip()
    shown = _CONTROLS.sub(" ", text[: 4 * limit]).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


class Censor:
    """Strikes a user's credentials out of texts: the password, and every form in which it was sent."""

    __slots__ = ("_parts", "_password", "_widths")

    def __init__(self, username: str, password: str) -> None:
        self._password = password.translate(_LOWER)
        sent = (f"\0{username}\0{password}", password) if password else ()  # AUTH PLAIN, AUTH LOGIN (RFC 4616)
        forms = [
            base64.b64encode(text.encode(errors="surrogatepass")).decode().rstrip("=").translate(_LOWER)
            for text in sent
        ]
        self._parts = {
            form[start : start + _WINDOW] for form in forms for start in range(max(1, len(form) - _WINDOW + 1))
        }
        self._widths = {len(part) for part in self._parts}

    def __repr__(self) -> str:
        """Say nothing of what it knows."""
        return "Censor()"

    def learn(self, sent: str) -> None:
        """Strike out from now on what was said to sign in, too, unless it is so short that it is no secret."""
        form = sent.rstrip("=").translate(_LOWER)
        self._parts |= {form[start : start + _WINDOW] for start in range(len(form) - _WINDOW + 1)}
        if len(form) >= _WINDOW:
            self._widths.add(_WINDOW)

    def __call__(self, text: str) -> str:
        """Return `text` with the password, and every eight characters of its encoded forms, struck out.

        A password of one to three characters is struck out only where it stands alone: within a longer word the gap
        would give it away.
        """
        if not self._password or not text:
            return text
        lowered = text.translate(_LOWER)
        marked = bytearray(len(text))
        length = len(self._password)
        at = lowered.find(self._password)
        while at >= 0:
            around = lowered[max(at - 1, 0) : at] + lowered[at + length : at + length + 1]
            if length > 3 or not any(letter.isalnum() for letter in around):
                marked[at : at + length] = b"\1" * length
            at = lowered.find(self._password, at + 1)
        parts = self._parts
        for width in self._widths:
            for at in range(len(lowered) - width + 1):
                if lowered[at : at + width] in parts:
                    marked[at : at + width] = b"\1" * width
        if not any(marked):
            return text
        pieces, position = [], 0
        for match in re.finditer(b"\1+", bytes(marked)):
            pieces += [text[position : match.start()], STRUCK_OUT]
            position = match.end()
        return "".join([*pieces, text[position:]])
