"""Three-way merge: compares two texts with their common base, chunk by chunk, and combines their changes.

Knows nothing of Django. Where both changed the same lines, yours are kept and the chunk counts as a conflict.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from templates_app.content.content import Content, Texts, Variable
from templates_app.library.diffing import PARTS


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines of the base and what each of the two has in their place.

    `kind` is same, theirs (only they changed it), yours (only you did), both (the same change twice) or conflict.
    """

    kind: str
    base: tuple[str, ...]
    theirs: tuple[str, ...]
    yours: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MergedText:
    """A text that differs among the three: its language, its part, and its chunks."""

    language: str
    part: str
    chunks: tuple[Chunk, ...]

    @property
    def conflicts(self) -> int:
        """The number of chunks that both changed, in different ways."""
        return sum(chunk.kind == "conflict" for chunk in self.chunks)


def three_way(base: Content, theirs: Content, yours: Content) -> list[MergedText]:
    """Return the texts in which one of the two differs from the base, the default language first."""
    first = yours.default_language
    languages = sorted({*base.languages, *theirs.languages, *yours.languages}, key=lambda one: (one != first, one))
    found = []
    for language in languages:
        for part in PARTS:
            texts = [getattr(content.languages.get(language, Texts()), part) for content in (base, theirs, yours)]
            if len(set(texts)) > 1:
                found.append(MergedText(language, part, tuple(chunks(*texts))))
    return found


def merge(base: Content, theirs: Content, yours: Content) -> Content:
    """Return `yours` with the changes of `theirs` wherever you changed nothing."""
    languages = dict(yours.languages)
    for place in three_way(base, theirs, yours):
        if place.language not in languages and place.language in base.languages:
            continue  # you removed the language
        text = "".join(
            line for chunk in place.chunks for line in (chunk.theirs if chunk.kind == "theirs" else chunk.yours)
        )
        texts = languages.get(place.language, Texts())
        languages[place.language] = replace(texts, **{place.part: text})
    for language in set(base.languages) - set(theirs.languages):  # removed by them
        if languages.get(language) == Texts() and language != yours.default_language:
            del languages[language]
    return replace(yours, languages=languages, variables=_variables(base, theirs, yours))


def _variables(base: Content, theirs: Content, yours: Content) -> tuple[Variable, ...]:
    before, new, own = ({one.name: one for one in content.variables} for content in (base, theirs, yours))
    merged = {}
    for name, variable in own.items():
        if name in before and name not in new and variable == before[name]:
            continue  # removed by them, unchanged by you
        merged[name] = new[name] if name in new and before.get(name) == variable else variable
    merged |= {name: variable for name, variable in new.items() if name not in before and name not in own}
    return tuple(merged.values())


def chunks(base: str, theirs: str, yours: str) -> Iterator[Chunk]:
    """Yield the chunks of three texts, in order; lines keep their line endings."""
    lines = [text.splitlines(keepends=True) for text in (base, theirs, yours)]
    origin, left, right = lines
    at = [0, 0, 0]
    for start, in_left, in_right, length in _common_runs(origin, left, right):
        if (start, in_left, in_right) != tuple(at):
            yield _chunk(origin[at[0] : start], left[at[1] : in_left], right[at[2] : in_right])
        if length:
            same = tuple(origin[start : start + length])
            yield Chunk("same", same, same, same)
        at = [start + length, in_left + length, in_right + length]


def _chunk(base: Sequence[str], theirs: Sequence[str], yours: Sequence[str]) -> Chunk:
    if theirs == yours:
        kind = "both"
    elif theirs == base:
        kind = "yours"
    elif yours == base:
        kind = "theirs"
    else:
        kind = "conflict"
    return Chunk(kind, tuple(base), tuple(theirs), tuple(yours))


def _common_runs(base: Sequence[str], left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the runs of lines that are in all three: where each starts in them, and its length. The last is empty."""
    in_left = SequenceMatcher(None, base, left).get_matching_blocks()
    in_right = SequenceMatcher(None, base, right).get_matching_blocks()
    one = other = 0
    while one < len(in_left) and other < len(in_right):
        a, b = in_left[one], in_right[other]
        start, end = max(a.a, b.a), min(a.a + a.size, b.a + b.size)
        if start < end:
            yield start, a.b + start - a.a, b.b + start - b.a, end - start
        if a.a + a.size < b.a + b.size:
            one += 1
        else:
            other += 1
    yield len(base), len(left), len(right), 0
