"""Edits a query text for the chips and selects of the page, leaving the rest as the person typed it.

Pure, and never raises: a text that the parser rejects can be edited, too, so that a filter is not lost because of a
typo beside it. `maillog.search.query.parse` reads back what it writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from maillog.search.query import FIRST_YEAR, LAST_YEAR, NAMES, OPERATORS, QUOTES, without_quotes

_TERM = re.compile(rf"(-?)(?:([^\W\d_]+):)?([{QUOTES}][^{QUOTES}]*[{QUOTES}]|\S*)")
_SPACE = re.compile(r"\s*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TypedTerm:
    """One term as typed, whether it can be parsed or not."""

    start: int
    end: int
    negated: bool
    field: str  # empty: none, or an unknown one
    value: str  # without quotation marks


@dataclass(frozen=True, slots=True)
class ShownFilters:
    """The part of a query that chips and selects can show. The day `last` is included."""

    statuses: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)  # operator -> name
    first: date | None = None
    last: date | None = None


def typed_terms(text: str) -> Iterator[TypedTerm]:
    """Yield the terms of `text`, with the same bounds as the parser would give them."""
    place = _skip_space(text, 0)
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None or found.end() == place:
            return
        name = (found[2] or "").lower()
        value = found[3]
        quoted = len(value) > 1 and value[0] in QUOTES and value[-1] in QUOTES
        yield TypedTerm(
            place,
            found.end(),
            found[1] == "-" and bool(found[2] or value),
            name if name in OPERATORS else "",
            value[1:-1] if quoted else value,
        )
        place = _skip_space(text, found.end())


def read_filters(text: str) -> ShownFilters:
    """Return the part of `text` that chips and selects can show. The last of repeated operators counts."""
    statuses: tuple[str, ...] = ()
    names: dict[str, str] = {}
    days: dict[str, date] = {}
    for one in typed_terms(text):
        if one.negated:
            continue
        if one.field == "status":
            statuses = tuple(one.value.lower().split(","))
        elif one.field in NAMES:
            names[one.field] = one.value
        elif one.field in ("after", "before") and (day := _parse_day(one.value)):
            days[one.field] = day
    last = days["before"] - timedelta(days=1) if "before" in days else None
    return ShownFilters(statuses, names, days.get("after"), last if last and last.year >= FIRST_YEAR else None)


def set_operator(text: str, name: str, value: str = "") -> str:
    """Return `text` with every ``name:`` term replaced by ``name:value``, or removed if `value` is empty.

    Negated terms stay, except one with the same value, which would leave no matches.
    """
    written = f"{name}:{quote_value(value)}" if value else ""
    kept: list[str] = []
    placed, changed, unclosed, last = False, False, False, 0
    for one in typed_terms(text):
        before, last = text[last : one.start], one.end
        gone = one.field == name and (not one.negated or (bool(value) and one.value.lower() == value.lower()))
        if not gone:
            # There may have been no space after a quotation mark.
            kept += [before or (" " if changed and kept else ""), text[one.start : one.end]]
        elif written and not placed and not one.negated and not unclosed:
            kept += [before or " ", written]
            placed = True
        changed = gone
        unclosed |= one.value[:1] in tuple(QUOTES)
    result = "".join(kept).strip()
    if not written or placed:
        return result
    # After an unclosed quotation mark it would become part of the quoted text.
    return f"{written} {result}" if unclosed else f"{result} {written}".strip()


def set_filters(text: str, changes: Mapping[str, str | Sequence[str] | date | None]) -> str:
    """Return `text` with the page's fields in `changes` written as operators; an empty value removes them."""
    for name, value in changes.items():
        if name == "status":
            text = set_operator(text, name, ",".join(value or ()) if not isinstance(value, date) else "")
        elif name == "date_from":
            text = set_operator(text, "after", value.isoformat() if isinstance(value, date) else "")
        elif name == "date_to":
            text = set_operator(text, "before", _day_after(value) if isinstance(value, date) else "")
        else:
            text = set_operator(text, name, str(value or ""))
    return text


def quote_value(value: str) -> str:
    """Return `value` as written after a colon. Quotation marks in it become apostrophes, see `without_quotes`."""
    if any(mark in value for mark in QUOTES):
        value = without_quotes(value)
    return value if value and not any(letter.isspace() for letter in value) else f'"{value}"'


def _day_after(day: date) -> str:
    """Return the day for "before:", which excludes the day it names."""
    return "" if day == date(LAST_YEAR, 12, 31) else (day + timedelta(days=1)).isoformat()


def _parse_day(value: str) -> date | None:
    if not _DAY.fullmatch(value):
        return None
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return day if FIRST_YEAR <= day.year <= LAST_YEAR else None


def _skip_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place
