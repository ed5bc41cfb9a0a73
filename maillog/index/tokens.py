"""How text is cut into the words that the search index knows: the same for what is stored and for what is asked.

Both engines get words that are already cut and folded here, so that a search finds the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

import re
import unicodedata

MAX_TOKEN_LENGTH = 60  # characters of a word that count: nobody types more, and PostgreSQL refuses very long ones

_TOKEN = re.compile(r"[^\W_]+")


def tokens(text: str) -> list[str]:
    """Return the words of `text`: runs of letters and digits, without case and accents ("Ärger" is "arger")."""
    return [word[:MAX_TOKEN_LENGTH] for word in _TOKEN.findall(fold(text))]


def fold(text: str) -> str:
    """Return `text` without case and accents."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def ends_in_token(text: str) -> bool:
    """Return whether `text` ends within a word, which may then go on: "exam" does, "ann@" does not."""
    return bool(re.search(r"[^\W_]\Z", fold(text)))
