"""Text from servers and programs, made safe for the log, pages and terminals."""

from __future__ import annotations

import re

MAX_SHOWN = 1000  # characters

# C0, DEL, C1, line and paragraph separators, and the marks that reorder what is displayed.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def sanitize(text: str, *, limit: int = MAX_SHOWN) -> str:
    """Return `text` as one line without control characters, at most `limit` characters long."""
    if len(text) <= limit and text.isprintable():  # nearly always
        return text.strip()
    shown = _CONTROLS.sub(" ", text[: 4 * limit]).strip()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
