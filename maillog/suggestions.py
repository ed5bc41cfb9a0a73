"""What the search box offers while somebody types: operators, states, and the names that mails have."""

from __future__ import annotations

from django.db.models import QuerySet

from maillog.models import Label, Status
from maillog.query import FLAGS, LONGEST, NAMES, OPERATORS, TIMES

MOST = 12
SENDERS = "from"
EXAMPLES_OF_TIMES = ("2h", "24h", "7d", "30d")


def suggestions(text: str) -> list[str]:
    """Return at most 12 whole queries that `text` may become: its last word completed, everything before it kept."""
    if len(text) > LONGEST or "\0" in text:
        return []
    before, last = _parted(text)
    minus = "-" if last.startswith("-") else ""
    operator, colon, begun = last.removeprefix("-").partition(":")
    operator = operator.lower()
    if not colon:
        ends = [f"{name}:" for name in OPERATORS if name.startswith(operator)] if operator or not text else []
        if operator:
            ends += [f"status:{status}" for status in Status.values if status.startswith(operator)]
        if not text:
            ends = [*ends, *(f"{name}:{flag}" for name, flags in FLAGS.items() for flag in flags)]
    else:
        ends = [f"{operator}:{_quoted(value)}" for value in _values(operator, begun.lstrip('"“„').lower())]
    found = [f"{before}{minus}{end}" for end in ends]
    return [one for one in found if one != text][:MOST]


def _parted(text: str) -> tuple[str, str]:
    """Return what stands before the word that is being typed, and that word; a quoted name is one word."""
    start, quoted = 0, False
    for place, letter in enumerate(text):
        if letter in '"“”„':
            quoted = not quoted
        elif letter.isspace() and not quoted:
            start = place + 1
    return text[:start], text[start:]


def _values(operator: str, begun: str) -> list[str]:
    if operator == "status":
        return [status for status in Status.values if status.startswith(begun)]
    if operator in FLAGS:
        return [flag for flag in FLAGS[operator] if flag.startswith(begun)]
    if operator in TIMES:
        return [time for time in EXAMPLES_OF_TIMES if time.startswith(begun)]
    if operator in (*NAMES, SENDERS):
        kind = Label.Kind.SENDER if operator == SENDERS else operator
        names: QuerySet[Label, str] = Label.objects.filter(kind=kind).order_by("text").values_list("text", flat=True)
        # In Python, because SQLite does not know the case of letters beyond ASCII; there are few names but of senders.
        return [name for name in names[:1000] if begun in name.lower()][:MOST]
    return []


def _quoted(value: str) -> str:
    return f'"{value}"' if any(letter.isspace() for letter in value) else value
