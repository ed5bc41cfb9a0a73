"""Words that the search wants, and how FTS5 and PostgreSQL are asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import connection

from maillog.index.writing import PREFIXES, PROBLEM_STATUSES, TEXT_COLUMNS, WEIGHTS

RARE_NUMBER_DIGITS = 5  # digits of a number that few mails have; years have four


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTerm:
    """Words that follow one another in one of `columns`; the last may go on if `open_end`. `negated`: must not."""

    words: tuple[str, ...]
    columns: tuple[str, ...] = TEXT_COLUMNS
    open_end: bool = False
    negated: bool = False

    @property
    def tells_of_trouble(self) -> bool:
        """Whether only mails in trouble can have it."""
        return not self.negated and (
            self.columns == ("error",) or (self.columns == ("tags",) and self.words[0] in PROBLEM_STATUSES)
        )

    @property
    def has_number(self) -> bool:
        """Whether it has a number that few mails have."""
        return not self.negated and any(_is_rare_number(word) for word in self.words)

    def begun(self) -> IndexTerm | None:
        """Return what FTS5 walks at once instead of words with an open end: the last one cut to its first two letters.

        A longer beginning is put together from all words that begin so, which takes long where a word is everywhere
        ("example.com"). What is found must then be looked at: see `LIKE`. A long number stays as it is, for few begin
        so. None for a beginning of one letter, which tells nothing.
        """
        last = self.words[-1][:2]
        if not self.open_end or _is_rare_number(self.words[-1]):
            return self
        if len(last) == 2:
            return replace(self, words=(*self.words[:-1], last))
        return replace(self, words=self.words[:-1], open_end=False) if len(self.words) > 1 else None

    def pattern(self) -> str:
        """Return what a text with a space around it is like that has the words."""
        return f"% {' '.join(self.words)}{'' if self.open_end else ' '}%"

    def is_in(self, texts: dict[str, str]) -> bool:
        """Return whether an entry with these words by column has them."""
        phrase = " " + " ".join(self.words) + ("" if self.open_end else " ")
        return any(phrase in f" {texts[name]} " for name in self.columns) != self.negated


def match_expression(wanted: Sequence[IndexTerm]) -> str:
    """Return `wanted` as the engine's index reads it."""
    return tsquery(wanted) if connection.vendor == "postgresql" else fts5(wanted)


def fts5(wanted: Sequence[IndexTerm]) -> str:
    """Return `wanted` for FTS5, which can only take away from something: from everything, if nothing else is wanted."""
    parts = {True: [], False: []}  # type: dict[bool, list[str]]
    for one in wanted:
        end = " *" if one.open_end else ""
        parts[one.negated].append(f'{{{" ".join(one.columns)}}} : "{" ".join(one.words)}"{end}')
    return "".join([" AND ".join(parts[False] or ['{tags} : "all"']), *(f" NOT {part}" for part in parts[True])])


def tsquery(wanted: Sequence[IndexTerm]) -> str:
    """Return `wanted` for PostgreSQL."""
    parts = []
    for one in wanted:
        mark = PREFIXES.get(one.columns[0], "")
        weights = "" if mark or one.columns == TEXT_COLUMNS else "".join(WEIGHTS[name] for name in one.columns)
        ends = [""] * (len(one.words) - 1) + ["*" if one.open_end else ""]
        words = [
            f"'{mark}{word}'" + (f":{end}{weights}" if end or weights else "")
            for word, end in zip(one.words, ends, strict=True)
        ]
        parts.append(f"{'!' if one.negated else ''}({' <-> '.join(words)})")
    return " & ".join(parts)


def _is_rare_number(word: str) -> bool:
    return len(word) >= RARE_NUMBER_DIGITS and word.isdecimal()


def whole_tokens(wanted: Sequence[IndexTerm]) -> list[IndexTerm]:
    """Return `wanted` without the open ends of phrases, whose other words are enough to find few."""
    return [
        replace(one, words=one.words[:-1], open_end=False) if one.open_end and len(one.words) > 1 else one
        for one in wanted
    ]
