"""Keeps our own credentials out of what a server said: some servers repeat the command that they refuse."""

from __future__ import annotations

import base64
import re

REDACTED = "[redacted]"

_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}  # keeps every position, unlike str.lower
_WINDOW = 8  # characters of a credential that may not be repeated even alone (an echo may be cut or folded)


class Redactor:
    """Replaces a user's credentials in texts: the password, and every encoded form in which it was sent."""

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
        """Reveal nothing of the credentials."""
        return "Redactor()"

    def learn(self, sent: str) -> None:
        """Redact from now on what was sent to sign in, too, unless it is too short to be a secret."""
        form = sent.rstrip("=").translate(_LOWER)
        self._parts |= {form[start : start + _WINDOW] for start in range(len(form) - _WINDOW + 1)}
        if len(form) >= _WINDOW:
            self._widths.add(_WINDOW)

    def __call__(self, text: str) -> str:
        """Return `text` with the password, and every eight characters of its encoded forms, replaced.

        A password of one to three characters is replaced only where it stands alone: within a longer word the gap
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
            pieces += [text[position : match.start()], REDACTED]
            position = match.end()
        return "".join([*pieces, text[position:]])
