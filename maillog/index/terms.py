"""The conditions that a search has for the index, and how they are written for FTS5 and for PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import connection

from maillog.index.writing import EVERY_ENTRY, PREFIXES, PROBLEM_STATUSES, TEXT_COLUMNS, WEIGHTS

RARE_NUMBER_DIGITS = 5  # few messages contain a number this long; years have four digits


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTerm:
    """A phrase in one of `columns`. With `is_prefix` its last token may be longer; `negated` excludes its matches."""

    tokens: tuple[str, ...]
    columns: tuple[str, ...] = TEXT_COLUMNS
    is_prefix: bool = False
    negated: bool = False

    @property
    def implies_problem(self) -> bool:
        """Whether only messages with a problem status can match."""
        return not self.negated and (
            self.columns == ("error",) or (self.columns == ("tags",) and self.tokens[0] in PROBLEM_STATUSES)
        )

    @property
    def has_rare_number(self) -> bool:
        """Whether few messages can match, because one of the tokens is a long number."""
        return not self.negated and any(_is_rare_number(token) for token in self.tokens)

    def indexed_prefix(self) -> IndexTerm | None:
        """Return the term with its last token cut to two letters, the prefix length that FTS5 has an index for.

        For a longer prefix FTS5 merges the entries of all tokens that begin with it, which is slow for a common
        beginning ("example.com"). The caller compares the text of what the shorter term finds. A long number is not
        cut, since few tokens begin with it. None if only one letter is left, which is not worth looking up.
        """
        last = self.tokens[-1][:2]
        if not self.is_prefix or _is_rare_number(self.tokens[-1]):
            return self
        if len(last) == 2:
            return replace(self, tokens=(*self.tokens[:-1], last))
        return replace(self, tokens=self.tokens[:-1], is_prefix=False) if len(self.tokens) > 1 else None

    def like_pattern(self) -> str:
        """Return the LIKE pattern of the phrase, for a text with a space on either side."""
        return f"% {' '.join(self.tokens)}{'' if self.is_prefix else ' '}%"

    def matches(self, texts: dict[str, str]) -> bool:
        """Return whether an index entry, given as tokens by column, satisfies the term."""
        phrase = " " + " ".join(self.tokens) + ("" if self.is_prefix else " ")
        return any(phrase in f" {texts[name]} " for name in self.columns) != self.negated


def match_expression(terms: Sequence[IndexTerm]) -> str:
    """Return `terms` in the query language of the database's index."""
    return tsquery(terms) if connection.vendor == "postgresql" else fts5(terms)


def fts5(terms: Sequence[IndexTerm]) -> str:
    """Return `terms` for FTS5. Its NOT needs a left side: the tag of every entry, if all terms are negated."""
    required: list[str] = []
    excluded: list[str] = []
    for term in terms:
        star = " *" if term.is_prefix else ""
        part = f'{{{" ".join(term.columns)}}} : "{" ".join(term.tokens)}"{star}'
        (excluded if term.negated else required).append(part)
    required = required or [f'{{tags}} : "{EVERY_ENTRY}"']
    return "".join([" AND ".join(required), *(f" NOT {part}" for part in excluded)])


def tsquery(terms: Sequence[IndexTerm]) -> str:
    """Return `terms` for PostgreSQL."""
    parts = []
    for term in terms:
        prefix = PREFIXES.get(term.columns[0], "")
        weights = "" if prefix or term.columns == TEXT_COLUMNS else "".join(WEIGHTS[name] for name in term.columns)
        stars = [""] * (len(term.tokens) - 1) + ["*" if term.is_prefix else ""]
        lexemes = [
            f"'{prefix}{token}'" + (f":{star}{weights}" if star or weights else "")
            for token, star in zip(term.tokens, stars, strict=True)
        ]
        parts.append(f"{'!' if term.negated else ''}({' <-> '.join(lexemes)})")
    return " & ".join(parts)


def whole_tokens(terms: Sequence[IndexTerm]) -> list[IndexTerm]:
    """Return `terms` without the incomplete last token of each phrase; its other tokens match few messages already."""
    return [
        replace(term, tokens=term.tokens[:-1], is_prefix=False) if term.is_prefix and len(term.tokens) > 1 else term
        for term in terms
    ]


def _is_rare_number(token: str) -> bool:
    return len(token) >= RARE_NUMBER_DIGITS and token.isdecimal()
