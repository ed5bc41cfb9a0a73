"""Compares two versions: which texts differ, and for each the lines side by side with the changed words marked.

Knows nothing of Django. The work is bounded: lines of very long texts are paired by position.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from templates_app.content.content import Content, Texts, Variable

CONTEXT_LINES = 3  # unchanged lines shown around a change
MAX_LINES = 4_000  # of one text; lines of longer ones are paired by position
MAX_LINE = 2_000  # characters; no words are marked in longer ones
WORDS = re.compile(r"\w+|\s+|[^\w\s]")
PARTS = ("subject", "html", "text")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line, changed or not."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """A line on one side: its number, from 1, and its pieces. Number 0: no line on this side."""

    number: int = 0
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines side by side. `kind` is same, changed, added or removed."""

    kind: str
    old: Side
    new: Side


@dataclass(frozen=True, slots=True)
class Hunk:
    """Consecutive rows; `folded` ones are unchanged and far from any change."""

    rows: tuple[Row, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class TextDiff:
    """A text that differs: its language ("" for the variables), its part, and its hunks."""

    language: str
    part: str
    hunks: tuple[Hunk, ...] = field(default=())

    @property
    def added(self) -> int:
        """The number of lines that are new or changed."""
        return sum(row.kind in {"added", "changed"} for hunk in self.hunks for row in hunk.rows)

    @property
    def removed(self) -> int:
        """The number of lines that are gone or changed."""
        return sum(row.kind in {"removed", "changed"} for hunk in self.hunks for row in hunk.rows)


def compare(old: Content, new: Content) -> list[TextDiff]:
    """Return the texts that differ between `old` and `new`, the default language first, the variables last."""
    first = new.default_language
    languages = sorted(set(old.languages) | set(new.languages), key=lambda one: (one != first, one))
    places = [
        TextDiff(language, part, hunks_of(before, after))
        for language in languages
        for part in PARTS
        for before, after in [(_text(old, language, part), _text(new, language, part))]
        if before != after
    ]
    for name, before, after in (
        ("variables", variables_text(old.variables), variables_text(new.variables)),
        ("default_language", old.default_language, new.default_language),
    ):
        if before != after:
            places.append(TextDiff("", name, hunks_of(before, after)))
    return places


def _text(content: Content, language: str, part: str) -> str:
    text: str = getattr(content.languages.get(language, Texts()), part)
    return text


def variables_text(variables: Sequence[Variable]) -> str:
    """Return one line per declared variable, to compare."""
    return "\n".join(
        f"{one.name}: {one.type}{'' if one.required else ', optional'}{', secret' if one.secret else ''}"
        f"{f', {one.description}' if one.description else ''}"
        f"{f' = {json.dumps(one.sample, ensure_ascii=False)}' if one.sample != '' else ''}"
        for one in variables
    )


def hunks_of(old: str, new: str) -> tuple[Hunk, ...]:
    """Return the lines of two texts side by side; lines far from a change are in folded hunks."""
    rows = list(diff_rows(old.splitlines(), new.splitlines()))
    near = [False] * len(rows)
    for number, row in enumerate(rows):
        if row.kind != "same":
            for other in range(max(0, number - CONTEXT_LINES), min(len(rows), number + CONTEXT_LINES + 1)):
                near[other] = True
    found: list[Hunk] = []
    start = 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or near[end] != near[start]:
            short = end - start <= 2  # a fold would take as much room
            found.append(Hunk(tuple(rows[start:end]), folded=not near[start] and not short))
            start = end
    return tuple(found)


def diff_rows(old: Sequence[str], new: Sequence[str]) -> Iterator[Row]:
    """Yield the lines of two texts side by side."""
    if max(len(old), len(new)) > MAX_LINES:
        blocks = [("replace", 0, len(old), 0, len(new))]
    else:
        blocks = list(SequenceMatcher(None, old, new).get_opcodes())
    for tag, old_start, old_end, new_start, new_end in blocks:
        for offset in range(max(old_end - old_start, new_end - new_start)):
            before, after = old_start + offset, new_start + offset
            if tag == "equal":
                pieces = (Piece(old[before]),)
                yield Row("same", Side(before + 1, pieces), Side(after + 1, pieces))
            elif before >= old_end:
                yield Row("added", Side(), Side(after + 1, (Piece(new[after]),)))
            elif after >= new_end:
                yield Row("removed", Side(before + 1, (Piece(old[before]),)), Side())
            else:
                left, right = changed_words(old[before], new[after])
                kind = "same" if old[before] == new[after] else "changed"
                yield Row(kind, Side(before + 1, left), Side(after + 1, right))


def changed_words(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return two lines in pieces, the changed words marked; nothing is marked if less than 30 % is the same."""
    if old == new or max(len(old), len(new)) > MAX_LINE:
        return (Piece(old),), (Piece(new),)
    left, right = WORDS.findall(old), WORDS.findall(new)
    matcher = SequenceMatcher(None, left, right)
    if matcher.ratio() < 0.3:
        return (Piece(old),), (Piece(new),)
    before: list[Piece] = []
    after: list[Piece] = []
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        for pieces, words in ((before, left[old_start:old_end]), (after, right[new_start:new_end])):
            if words:
                pieces.append(Piece("".join(words), changed=tag != "equal"))
    return tuple(before), tuple(after)
