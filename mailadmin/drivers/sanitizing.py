"""Text from servers and programs, made safe for the log, pages and terminals, where it enters."""

from __future__ import annotations

import re

MAX_SHOWN = 1000  # characters

# C0, DEL, C1, line and paragraph separators, and the marks that reorder what is displayed.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_SURROGATES = re.compile("[\ud800-\udfff]")


def decoded(octets: bytes) -> str:
    """Return `octets` as text, whatever they are: as UTF-8 (RFC 6531 3.7.4), and what is not UTF-8 as Latin-1.

    So a server that replies in Latin-1 stays readable.
    """
    return storable(octets.decode("utf-8", "surrogateescape"))


def storable(text: str) -> str:
    """Return `text` without lone surrogates, which no database, page or log file takes.

    Those that stand for an octet (PEP 383: aiosmtplib and the operating system's texts have them) become the Latin-1
    character of that octet, others U+FFFD.
    """
    return text if text.isascii() else _SURROGATES.sub(_of_surrogate, text)


def _of_surrogate(match: re.Match[str]) -> str:
    octet = ord(match[0]) - 0xDC00
    return chr(octet) if 0x80 <= octet <= 0xFF else "\N{REPLACEMENT CHARACTER}"


def sanitize(text: str, *, limit: int = MAX_SHOWN) -> str:
    """Return `text` as one storable line without control characters, at most `limit` characters long."""
    if len(text) <= limit and text.isprintable():  # nearly always
        return text.strip()
    shown = _CONTROLS.sub(" ", storable(text[: 4 * limit])).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
