"""Completions for the search box: operators, statuses, and names that occur in the log."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from maillog.models import Label, Status
from maillog.search.query import FLAGS, MAX_LENGTH, NAMES, OPERATORS, QUOTES, TIMES

MAX_SUGGESTIONS = 12
SENDER_OPERATOR = "from"
TIME_EXAMPLES = ("2h", "24h", "7d", "30d")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion of the word at the caret, the whole text with it, and the new position of the caret."""

    word: str
    text: str
    caret: int


def suggestions(text: str, at: int | None = None) -> list[Suggestion]:
    """Return at most 12 completions of the word that ends at position `at` of `text` (None: at its end)."""
    if len(text) > MAX_LENGTH or "\0" in text:
        return []
    at = len(text) if at is None or not 0 <= at <= len(text) else at
    start, end = _word_bounds(text, at)
    after = text[end:]
    found = []
    for word in _completions(text[start:at], anything=not text.strip()):
        # After an operator comes its value, after anything else the next word.
        space = "" if word.endswith(":") or after[:1].isspace() else " "
        completed = f"{text[:start]}{word}{space}"
        if word != text[start:end]:
            found.append(Suggestion(word, completed + after, len(completed)))
    return found[:MAX_SUGGESTIONS]


def _completions(begun: str, *, anything: bool) -> list[str]:
    """Return the completions of `begun`; if it is empty, only with `anything`."""
    minus = "-" if begun.startswith("-") else ""
    operator, colon, value = begun.removeprefix("-").partition(":")
    operator = operator.lower()
    if colon:
        ends = [f"{operator}:{_quote(one)}" for one in _values(operator, value.lstrip(QUOTES).lower())]
    else:
        ends = [f"{name}:" for name in OPERATORS if name.startswith(operator)] if begun or anything else []
        if operator:
            ends += [f"status:{status}" for status in Status.values if status.startswith(operator)]
        elif anything:
            ends += [f"{name}:{flag}" for name, flags in FLAGS.items() for flag in flags]
    return [f"{minus}{end}" for end in ends]


def _word_bounds(text: str, at: int) -> tuple[int, int]:
    """Return the bounds of the word at the caret; a quoted name is one word."""
    start, quoted = 0, False
    for position, letter in enumerate(text[:at]):
        if letter in QUOTES:
            quoted = not quoted
        elif letter.isspace() and not quoted:
            start = position + 1
    rest = enumerate(text[at:], at)
    if not quoted:
        return start, next((position for position, letter in rest if letter.isspace()), len(text))
    return start, next((position + 1 for position, letter in rest if letter in QUOTES), at)


def _values(operator: str, begun: str) -> list[str]:
    if operator == "status":
        others, comma, last = begun.rpartition(",")
        return [f"{others}{comma}{status}" for status in Status.values if status.startswith(last)]
    if operator in FLAGS:
        return [flag for flag in FLAGS[operator] if flag.startswith(begun)]
    if operator in TIMES:
        return [time for time in TIME_EXAMPLES if time.startswith(begun)]
    if operator in (*NAMES, SENDER_OPERATOR):
        kind = Label.Kind.SENDER if operator == SENDER_OPERATOR else operator
        names: QuerySet[Label, str] = Label.objects.filter(kind=kind).order_by("text").values_list("text", flat=True)
        # In Python, because SQLite ignores case in ASCII only. Names are few, except those of senders.
        return [name for name in names[:1000] if begun in name.lower()][:MAX_SUGGESTIONS]
    return []


def _quote(value: str) -> str:
    return f'"{value}"' if any(letter.isspace() for letter in value) else value
