"""Text from outside: cut to fit a column, and combined for display."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

LONGEST_LIST = 3


def fit(text: str, longest: int) -> str:
    """Return `text` cut to `longest` characters, with an ellipsis where it was cut.

    NUL and lone surrogates, which PostgreSQL and UTF-8 reject, become replacement characters: a strange reply must not
    prevent an outcome from being recorded.
    """
    if text.isascii() and "\0" not in text and len(text) <= longest:
        return text  # the usual case: about a dozen texts per message pass here
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if not clean.isascii():
        clean = clean.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def shortened(texts: Sequence[str]) -> str:
    """Return the first three, and how many more there are."""
    shown = ", ".join(texts[:LONGEST_LIST])
    more = len(texts) - LONGEST_LIST
    return _("%(shown)s and %(more)s more") % {"shown": shown, "more": more} if more > 0 else shown


def server_reply(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return such as "550 5.1.1 no such user", whether or not `reply` repeats the codes. Keeps line breaks."""
    codes = [part for part in (str(code or ""), enhanced_code) if part]
    text = reply.strip()
    for part in codes:
        if text == part or text.startswith((f"{part} ", f"{part}-")):
            text = text[len(part) :].lstrip(" -")
    return " ".join([*codes, text]).strip()


def server_reply_line(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return `server_reply` as one line."""
    return " ".join(server_reply(code, enhanced_code, reply).split())
