"""Splits text into the tokens of the search index, the same way for stored text and for queries.

Tokens are split and folded here rather than by the database, so that a search finds the same messages on SQLite and
PostgreSQL.
"""

from __future__ import annotations

import re
import unicodedata

MAX_TOKEN_LENGTH = 60  # characters that count: nobody types more, and PostgreSQL refuses very long lexemes

_TOKEN = re.compile(r"[^\W_]+")


def tokens(text: str) -> list[str]:
    """Return the tokens of `text`: runs of letters and digits, without case and accents ("Ärger" is "arger")."""
    return [token[:MAX_TOKEN_LENGTH] for token in _TOKEN.findall(fold(text))]


def fold(text: str) -> str:
    """Return `text` without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def ends_in_token(text: str) -> bool:
    """Return whether `text` ends inside a token, which may then be incomplete: "exam" does, "ann@" does not."""
    return bool(re.search(r"[^\W_]\Z", fold(text)))
