"""The query language of the search box: one parser for the page, the commands and the API.

A query is a list of terms that must all hold. A term is a word, a "phrase", or an operator with a value; a minus in
front negates it. Pure: nothing here knows the database, so names of templates or connections are not checked here.
Whatever cannot be understood raises `QueryError`, which says where and, if possible, what was meant. Nothing is
ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import NoReturn

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from maillog.index.tokens import tokens
from maillog.models import Status

MAX_LENGTH = 500
MAX_TERMS = 12  # each is one more lookup in the index
FIRST_YEAR, LAST_YEAR = 1990, 2999  # beyond, conversion to UTC can overflow
LARGEST_ID = 2**63 - 1
MAX_AGE = timedelta(days=366 * 50)

TEXT = ("to", "from", "subject", "error", "actor")  # these search for words in one part of the message
NAMES = ("driver", "connection", "template")
FLAGS = {"is": ("test", "sensitive", "retriable"), "has": ("attachment",)}
TIMES = ("before", "after")
OPERATORS = ("to", "from", "subject", "status", *NAMES, "tag", "error", "id", "incident", "actor", *TIMES, *FLAGS)
NUMBERS = {
    "id": _lazy("“%(value)s” is not a message number."),
    "incident": _lazy("“%(value)s” is not an incident number."),
}
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

QUOTES = '"“”„'
_OPERATOR = re.compile(r"([^\W\d_]+):")
_PHRASE = re.compile(f"[{QUOTES}]([^{QUOTES}]*)[{QUOTES}]")
_BARE = re.compile(r"\S+")
_APOSTROPHES = str.maketrans(dict.fromkeys(QUOTES, "'"))
_SPACE = re.compile(r"\s*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}Z?", re.ASCII)
_AGE = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_NUMBER = re.compile(r"\d{1,19}", re.ASCII)


class QueryError(ValueError):
    """A mistake in a query: a sentence, its position from `start` to `end`, and a `suggestion` to replace that with."""

    def __init__(self, message: str, start: int, end: int, suggestion: str = "") -> None:
        super().__init__(message)
        self.message, self.start, self.end, self.suggestion = message, start, end, suggestion

    def __str__(self) -> str:
        position = _("(character %(position)s)") % {"position": self.start + 1}
        hint = " " + _("Did you mean %(suggestion)s?") % {"suggestion": self.suggestion} if self.suggestion else ""
        return f"{self.message.rstrip('.')} {position}.{hint}"

    def corrected(self, text: str) -> str:
        """Return `text` with the suggestion applied, empty if there is none."""
        return f"{text[: self.start]}{self.suggestion}{text[self.end :]}" if self.suggestion else ""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: `value` in `field` (empty: anywhere), as complete words if `quoted`."""

    field: str
    value: str
    negated: bool = False
    quoted: bool = False
    start: int = dataclass_field(default=0, compare=False)  # its position in the query
    end: int = dataclass_field(default=0, compare=False)

    def __str__(self) -> str:
        value = f'"{self.value}"' if self.quoted else self.value
        return f"{'-' if self.negated else ''}{self.field + ':' if self.field else ''}{value}"

    @property
    def is_searchable(self) -> bool:
        """Whether it has more than punctuation, unlike the "&" in "parcel & co"."""
        return bool(self.field or tokens(self.value))

    @property
    def values(self) -> list[str]:
        """The statuses of a ``status:`` term, of which one must hold."""
        return self.value.split(",")

    @property
    def day(self) -> date | None:
        """The value of ``before:`` or ``after:`` as a day, None if it is something else."""
        return date.fromisoformat(self.value) if _DAY.fullmatch(self.value) else None

    @property
    def moment(self) -> datetime | None:
        """The value as a time of day, None if it is something else: in UTC if it ends in "Z", else naive."""
        if not _MOMENT.fullmatch(self.value):
            return None
        moment = datetime.fromisoformat(self.value.removesuffix("Z"))
        return moment.replace(tzinfo=UTC) if self.value.endswith("Z") else moment

    @property
    def ago(self) -> timedelta:
        """The value as an age such as "2h", zero if it is something else."""
        found = _AGE.fullmatch(self.value)
        return timedelta(**{UNITS[found[2]]: int(found[1])}) if found else timedelta()


@dataclass(frozen=True, slots=True)
class Query:
    """Terms that must all hold. Without any, every message matches."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        """Return the query as text, which parses to the same query."""
        return " ".join(map(str, self.terms))


def parse(text: str) -> Query:
    """Parse `text`. Raises QueryError for everything that cannot be understood."""
    if len(text) > MAX_LENGTH:
        raise QueryError(_("A search has at most %(count)s characters.") % {"count": MAX_LENGTH}, MAX_LENGTH, len(text))
    terms: list[Term] = []
    place = _skip_space(text, 0)
    while place < len(text):
        if len(terms) == MAX_TERMS:
            raise QueryError(_("Use at most %(count)s words.") % {"count": MAX_TERMS}, place, len(text))
        term = _term(text, place)
        terms.append(term)
        place = _skip_space(text, term.end)
    if terms and not any(term.is_searchable for term in terms):
        _raise_no_token(text.strip(), 0, len(text))
    return Query(tuple(terms))


def without_quotes(name: str) -> str:
    """Return `name` with apostrophes for quotation marks, which a quoted value cannot contain."""
    return name.translate(_APOSTROPHES)


def closest_match(wrong: str, right: Iterable[str]) -> str:
    """Return which of `right` was probably meant by `wrong`, empty if none is similar."""
    known = list(right)
    ends = [one for one in known if one.rpartition("/")[2] == wrong]
    return ends[0] if len(ends) == 1 else next(iter(get_close_matches(wrong.lower(), known, n=1, cutoff=0.6)), "")


def _skip_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _term(text: str, start: int) -> Term:
    place = start
    negated = text[place] == "-" and not _is_end(text, place + 1)
    if negated:
        place += 1
    field = ""
    operator = _OPERATOR.match(text, place)
    if operator:
        field = _operator(text, operator)
        place = operator.end()
        if _is_end(text, place):
            message = _("“%(operator)s:” needs a value.") % {"operator": field}
            raise QueryError(message, operator.start(), place)
    quoted = text[place] in QUOTES
    found = _PHRASE.match(text, place) if quoted else _BARE.match(text, place)
    if found is None:
        raise QueryError(_("The quotation mark is never closed."), place, len(text))
    value = found[1] if quoted else found[0]
    if field or negated or quoted or tokens(value):
        value = _validated(field, value, place, found.end())
    return Term(field, value, negated, quoted, start, found.end())


def _is_end(text: str, place: int) -> bool:
    return place == len(text) or text[place].isspace()


def _operator(text: str, found: re.Match[str]) -> str:
    name = found[1].lower()
    if name in OPERATORS:
        return name
    near = closest_match(name, OPERATORS)
    if near:
        message = _("“%(operator)s:” is not an operator.") % {"operator": found[1]}
        raise QueryError(message, found.start(), found.end(), f"{near}:")
    message = _("“%(operator)s:” is not an operator; put words with a colon in quotation marks.")
    raise QueryError(message % {"operator": found[1]}, found.start(), found.end())


def _validated(field: str, value: str, start: int, end: int) -> str:
    """Return the normalized `value`. Raises QueryError if it is not valid for `field`."""
    if field in ("", *TEXT):
        if not tokens(value):
            _raise_no_token(value, start, end)
        return value
    if not value.strip():
        raise QueryError(_("There is nothing between the quotation marks."), start, end)
    if field == "status":
        return _statuses(value, start)
    if field in TIMES:
        return _time(value, start, end)
    if field in NUMBERS:
        if not _NUMBER.fullmatch(value) or not 0 < int(value) <= LARGEST_ID:
            raise QueryError(NUMBERS[field] % {"value": value}, start, end)
        return str(int(value))
    if field in FLAGS:
        lowered = value.lower()
        if lowered not in FLAGS[field]:
            choices = ", ".join(f"{field}:{flag}" for flag in FLAGS[field])
            message = _("“%(value)s” is not one of %(choices)s.") % {"value": value, "choices": choices}
            raise QueryError(message, start, end, closest_match(lowered, FLAGS[field]))
        return lowered
    return value


def _raise_no_token(value: str, start: int, end: int) -> NoReturn:
    raise QueryError(_("“%(value)s” has no letter or digit to search for.") % {"value": value}, start, end)


def _statuses(value: str, start: int) -> str:
    place = start
    for one in value.split(","):
        if one.lower() not in Status.values:
            message = _("“%(value)s” is not a status. Choose from %(choices)s.")
            raise QueryError(
                message % {"value": one, "choices": ", ".join(Status.values)},
                place,
                place + len(one),
                closest_match(one, Status.values),
            )
        place += len(one) + 1
    return value.lower()


def _time(value: str, start: int, end: int) -> str:
    lowered = value.lower()
    ago = _AGE.fullmatch(lowered)
    if ago and timedelta(**{UNITS[ago[2]]: int(ago[1])}) <= MAX_AGE:
        return lowered
    upper = value.upper()
    if _DAY.fullmatch(value) or _MOMENT.fullmatch(upper):
        try:
            day = datetime.fromisoformat(upper.removesuffix("Z"))
        except ValueError:
            pass
        else:
            if FIRST_YEAR <= day.year <= LAST_YEAR:
                return upper
    message = _(
        "“%(value)s” is not a time. Enter a date that exists, such as 2026-11-20, a time, 2026-11-20T09:30, or 2h, 7d."
    )
    raise QueryError(message % {"value": value}, start, end)
