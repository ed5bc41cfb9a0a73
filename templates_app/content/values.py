"""Checks values against the variables that a template declares, and reports all faults at once.

Without Django. The result is plain JSON data of exact built-in types, so that no object of the caller (a model, a
request, text marked as safe HTML) gets into a template.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from templates_app.content.content import Variable

MAX_DEPTH = 10  # levels of lists and objects
MAX_CHARACTERS = 1_000_000  # of all texts together
MAX_PLACES = 50_000  # entries of all lists and objects together
MAX_NUMBER = 10**18

EMAIL = re.compile(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s<>,;:\"()\[\]\\]+")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

EXPECTATIONS = {
    "text": "must be text",
    "number": "must be a number",
    "boolean": "must be true or false",
    "date": "must be a date such as 2026-03-01",
    "datetime": "must be a date and time such as 2026-03-01T12:30:00",
    "url": "must be an address that starts with https:// or http://",
    "email": "must be an email address",
    "list": "must be a list",
    "object": "must be an object",
}


class NotPlainError(ValueError):
    """A value cannot be used; the message completes a sentence that starts with the value's name."""


def check(variables: Iterable[Variable], values: Mapping[str, object]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the plain values by name, and the faults as pairs of a value's name and a sentence for people.

    A missing optional value is None. Undeclared values are left out; the sentence about a missing value names them,
    because a name is often misspelled.
    """
    declared = list(variables)
    unknown = sorted(set(map(str, values)) - {variable.name for variable in declared})
    checked: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []
    budget = Budget()
    for variable in declared:
        name = variable.name
        given = values.get(name)
        if given is None:
            checked[name] = None
            if variable.required:
                faults.append((name, f"The value {name} is missing{unknown_names_hint(unknown)}."))
            continue
        try:
            checked[name] = of_type(variable.type, to_plain(given, budget))
        except NotPlainError as error:
            faults.append((name, f"The value {name} {error}."))
            if budget.is_spent:
                budget = Budget()  # do not blame the other values
    return checked, faults


def unknown_names_hint(unknown: list[str]) -> str:
    """Return the end of a sentence that names up to five undeclared values."""
    if not unknown:
        return ""
    return f"; given, but not known to the template: {', '.join(name[:50] for name in unknown[:5])}"


class Budget:
    """The size that all values together may still have."""

    def __init__(self) -> None:
        self.characters = MAX_CHARACTERS
        self.places = MAX_PLACES

    @property
    def is_spent(self) -> bool:
        return self.characters < 0 or self.places < 0

    def take(self, *, characters: int = 0, places: int = 0) -> None:
        """Use up some of the budget. Raises NotPlainError if it is spent."""
        self.characters -= characters
        self.places -= places
        if self.is_spent:
            raise NotPlainError("is too large")


def to_plain(given: object, budget: Budget, depth: int = 0) -> Any:
    """Return `given` as plain JSON data of exact built-in types, dates as ISO text. Raises NotPlainError."""
    if isinstance(given, str):
        text = str.__str__(given)  # an exact str: the safe-text classes of Django and MarkupSafe would not be escaped
        budget.take(characters=len(text))
        if UNPRINTABLE.search(text):
            raise NotPlainError("contains a character that cannot be sent")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, int | float | Decimal):
        return to_number(given)
    if isinstance(given, datetime | date):
        return given.isoformat()
    if depth >= MAX_DEPTH:
        raise NotPlainError(f"is nested more than {MAX_DEPTH} times")
    if isinstance(given, list | tuple):
        budget.take(places=len(given))
        return [to_plain(one, budget, depth + 1) for one in given]
    if isinstance(given, Mapping):
        budget.take(places=len(given))
        if not all(isinstance(key, str) for key in given):
            raise NotPlainError("contains an object with keys that are not text")
        return {to_plain(key, budget, depth + 1): to_plain(one, budget, depth + 1) for key, one in given.items()}
    raise NotPlainError(f"must be plain data, not {type(given).__name__}")


def to_number(given: int | float | Decimal) -> int | float:
    """Return an exact int or float. Raises NotPlainError for what is not finite or too large."""
    if not math.isfinite(given) or not -MAX_NUMBER <= given <= MAX_NUMBER:
        raise NotPlainError("is too large a number or not finite")
    if isinstance(given, int) or (isinstance(given, Decimal) and given == given.to_integral_value()):
        return int(given)
    return float(given)


def of_type(kind: str, given: Any) -> Any:
    """Return `given`, plain data, if it is of the type `kind`. Raises NotPlainError."""
    test = TYPE_CHECKS.get(kind)
    if test is None:
        raise NotPlainError(f"has the unknown type {kind}")
    if not test(given):
        raise NotPlainError(f"{EXPECTATIONS[kind]}, not {describe(given)}")
    return given[:10] if kind == "date" else given


def describe(given: Any) -> str:
    """Describe a wrong value by its type alone: its content may be secret."""
    if given is None:
        return "nothing"
    if isinstance(given, bool):
        return "true or false"
    if isinstance(given, str):
        return "this text" if given else "an empty text"
    return {"int": "a number", "float": "a number", "list": "a list", "dict": "an object"}[type(given).__name__]


def is_date(given: Any) -> bool:
    """Return whether `given` is an ISO date, or an ISO date and time, of which the date is used."""
    if not isinstance(given, str):
        return False
    try:
        date.fromisoformat(given)
    except ValueError:
        return is_datetime(given)
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", given))


def is_datetime(given: Any) -> bool:
    """Return whether `given` is an ISO date with a time."""
    if not isinstance(given, str) or not re.match(r"\d{4}-\d\d-\d\d[T ]", given):
        return False
    try:
        datetime.fromisoformat(given)
    except ValueError:
        return False
    return True


def is_url(given: Any) -> bool:
    """Return whether `given` is a link that is safe to click: http or https, with a host, without spaces."""
    if not isinstance(given, str) or re.search(r"[\s<>\"`]", given):
        return False
    try:
        parts = urlsplit(given)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


TYPE_CHECKS: dict[str, Callable[[Any], bool]] = {
    "text": lambda given: isinstance(given, str),
    "number": lambda given: isinstance(given, int | float) and not isinstance(given, bool),
    "boolean": lambda given: isinstance(given, bool),
    "date": is_date,
    "datetime": is_datetime,
    "url": is_url,
    "email": lambda given: isinstance(given, str) and len(given) <= 254 and bool(EMAIL.fullmatch(given)),
    "list": lambda given: isinstance(given, list),
    "object": lambda given: isinstance(given, dict),
}
