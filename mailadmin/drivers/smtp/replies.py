"""SMTP replies: parsed, sanitized and free of our own credentials.

A reply is another machine's text that ends up in the log, on pages and in terminals. So it leaves this module as one
line of at most 1000 characters without control characters, and with everything redacted that we sent to sign in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from mailadmin.drivers.sanitizing import decoded, sanitize
from mailadmin.errors import AccountLimited, Phase
from maillog.explanations import account_limits
from maillog.explanations.meanings import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailadmin.drivers.smtp.redactor import Redactor

MAX_LINE = 8192  # octets; RFC 5321 4.5.3.1.5 asks for 512
MAX_REPLY = 32768  # octets of all lines together
CACHED_REPLIES = 64  # parsed replies kept per connection,
CACHED_LINE = 100  # if they have at most so many octets

# RFC 5321 4.2: three digits, then a hyphen (more lines follow) or a space and text; the bare code is tolerated.
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|$)")  # RFC 3463 2


class MalformedReply(Exception):
    """The server sent something that is not an SMTP reply; `text` is its beginning, sanitized."""

    def __init__(self, raw: bytes, redact: Redactor) -> None:
        self.text = sanitize(redact(decoded(raw)), limit=200)
        super().__init__(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete reply: `text` is one sanitized line without credentials and without the enhanced code."""

    code: int
    enhanced_code: str
    text: str

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced_code, self.text) if part)

    @property
    def is_positive(self) -> bool:
        """Whether the command was carried out (2yz)."""
        return 200 <= self.code < 300


def account_error(reply: Reply, phase: Phase, host: str) -> AccountLimited | None:
    """Return the error for a reply which says that the account has reached a limit or is blocked, else None."""
    found = account_limits.account_limit(reply.code, reply.enhanced_code, reply.text)
    if found is None:
        return None
    message = _("%(host)s reports: %(what)s (%(reply)s)")
    return AccountLimited(
        message % {"host": host, "what": text_of(found.key), "reply": reply},
        permanent=found.key == account_limits.BLOCKED,
        phase=phase,
        code=reply.code,
        enhanced_code=reply.enhanced_code,
        reply=reply.text,
    )


class ReplyParser:
    """Takes octets as they arrive and yields complete replies."""

    __slots__ = ("_cache", "_code", "_redact", "_rest", "_size", "_texts")

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._rest = b""  # of a line whose end has not arrived
        self._code = b""
        self._texts: list[bytes] = []  # of the lines so far of an unfinished reply
        self._size = 0
        self._cache: dict[bytes, Reply] = {}  # single-line replies by their line: servers repeat most of what they say

    def feed(self, data: bytes) -> Iterator[Reply]:
        """Yield each reply that `data` completes. Raises MalformedReply; nothing can be read after that."""
        *lines, self._rest = (self._rest + data).split(b"\n") if self._rest else data.split(b"\n")
        for line in lines:
            reply = None if self._texts else self._cache.get(line)
            if reply is None:
                reply = self._read(line)
            if reply is not None:
                yield reply
        if len(self._rest) > MAX_LINE:
            raise MalformedReply(self._rest, self._redact)

    def _read(self, line: bytes) -> Reply | None:
        """Return the reply that `line` completes, or None if more of its lines follow."""
        match = _LINE.fullmatch(line.rstrip(b"\r"))
        self._size += len(line)
        if match is None or len(line) > MAX_LINE or self._size > MAX_REPLY:
            raise MalformedReply(line, self._redact)
        code, more, text = match.groups(b"")
        if self._texts and code != self._code:  # RFC 5321 4.2.1: the same code on every line
            raise MalformedReply(line, self._redact)
        self._code = code
        self._texts.append(text)
        if more == b"-":
            return None
        reply = reply_from(int(code), decoded(b"\n".join(self._texts)), self._redact)
        if len(self._texts) == 1 and len(line) <= CACHED_LINE:
            if len(self._cache) >= CACHED_REPLIES:  # replies with a queue id are all different: none is worth keeping
                self._cache.clear()
            self._cache[line] = reply
        self._texts, self._size = [], 0
        return reply


def reply_from(code: int, message: str, redact: Redactor) -> Reply:
    """Return the reply of that code; `message` holds the texts of its lines, separated by line feeds."""
    lines = message.split("\n")
    match = _ENHANCED.match(lines[0])
    enhanced = match[1] if match and match[1][0] == str(code)[0] else ""
    text = " ".join([line.removeprefix(enhanced).strip() for line in lines])
    return Reply(code=code, enhanced_code=enhanced, text=sanitize(redact(text)))
