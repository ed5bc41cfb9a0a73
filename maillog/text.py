"""Texts from outside: made to fit a column, put together for people."""

from __future__ import annotations


def fit(text: str, longest: int) -> str:
    """Return `text` with at most `longest` characters, an ellipsis marking a cut.

    NUL and lone surrogates, which PostgreSQL and UTF-8 refuse, become replacement characters: a strange reply of a
    server must not keep the outcome of a mail from being written.
    """
    if text.isascii() and "\0" not in text and len(text) <= longest:
        return text  # nearly always: a dozen texts of each mail come here
    clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if not clean.isascii():
        clean = clean.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def server_reply(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return "550 5.1.1 no such user", whether or not `reply` repeats the codes; its lines stay lines."""
    codes = [part for part in (str(code or ""), enhanced_code) if part]
    text = reply.strip()
    for part in codes:
        if text == part or text.startswith((f"{part} ", f"{part}-")):
            text = text[len(part) :].lstrip(" -")
    return " ".join([*codes, text]).strip()


def server_reply_line(code: int | None, enhanced_code: str, reply: str) -> str:
    """Return ``550 5.1.1 no such user`` in one line, whether or not `reply` repeats the codes."""
    return " ".join(server_reply(code, enhanced_code, reply).split())
