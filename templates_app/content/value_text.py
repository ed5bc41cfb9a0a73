"""Converts values to and from the text in a form field, by the variable's type.

Whether a template can use a value is checked by `values`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _

JSON_TYPES = frozenset({"list", "object"})
MAX_DEPTH = 50  # levels of lists and objects; beyond the parser's own limit a request would fail
CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
MAX_CHARACTERS = 100_000  # of one value, and of all values of a sample as JSON


def format_value(kind: str, value: Any) -> str:
    """Return the text of a value's field. A value of the wrong type is shown as JSON, so that it can be corrected."""
    if value is None or value == "":
        return ""
    if kind == "boolean" and isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and kind not in JSON_TYPES:
        return value
    return as_json(value, indented=kind in JSON_TYPES)


def parse_value(kind: str, text: str) -> Any:
    """Return the value that `text` stands for; blank text is empty text. Raises ValueError with a sentence."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(_("This is longer than 100,000 characters."))
    check_characters(text)
    if not text.strip():
        return ""
    reader = PARSERS.get(kind)
    return reader(text.strip()) if reader else text


def parse_number(text: str) -> int | float:
    try:
        exact = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(_("This must be a number such as 3 or 4.50.")) from error
    if not exact.is_finite() or abs(exact.adjusted()) > 100:
        raise ValueError(_("This must be a number such as 3 or 4.50."))
    return int(exact) if exact == exact.to_integral_value() and "." not in text else float(exact)


def parse_boolean(text: str) -> bool:
    if text.casefold() not in {"true", "false"}:
        raise ValueError(_("This must be true or false."))
    return text.casefold() == "true"


def parse_date(text: str) -> str:
    """Return a date as ISO text. Raises ValueError."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(_("This must be a date such as 2026-01-31.")) from error


def parse_datetime(text: str) -> str:
    """Return a date and time as it was typed. Raises ValueError."""
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(_("This must be a date and time such as 2026-01-31T18:30.")) from error
    return text


def parse_url(text: str) -> str:
    try:
        URLValidator(schemes=["http", "https", "mailto"])(text)
    except ValidationError as error:
        raise ValueError(_("This must be an address such as https://example.com/page.")) from error
    return text


def parse_email(text: str) -> str:
    try:
        validate_email(text)
    except ValidationError as error:
        raise ValueError(_("This must be an email address such as ann@example.com.")) from error
    return text


def parse_list(text: str) -> list[Any]:
    value = parse_json(text)
    if not isinstance(value, list):
        raise ValueError(_('This must be a list in JSON, such as ["one", "two"].'))
    return value


def parse_object(text: str) -> dict[str, Any]:
    value = parse_json(text)
    if not isinstance(value, dict):
        raise ValueError(_('This must be an object in JSON, such as {"name": "Ann"}.'))
    return value


def parse_json(text: str) -> Any:
    """Return the JSON data in `text`. Raises ValueError with a sentence, naming the line of a syntax error."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(_("This is longer than 100,000 characters."))
    try:
        value = json.loads(text, parse_constant=reject_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(
            _("This is not JSON: line %(line)d, column %(column)d.") % {"line": error.lineno, "column": error.colno}
        ) from error
    except (RecursionError, UnicodeEncodeError, ValueError) as error:  # too deep, a lone surrogate, a huge number
        raise ValueError(_("This JSON contains something that cannot be stored.")) from error
    if depth(value) > MAX_DEPTH:
        raise ValueError(_("This JSON contains something that cannot be stored."))
    for one in texts_in(value):
        check_characters(one)
    return value


def check_characters(text: str) -> None:
    """Raise ValueError, naming the line, if `text` contains a control character, which is invisible."""
    found = CONTROL_CHARACTER.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(_("There is a control character in line %d. Delete it.") % line)


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in JSON data, including keys. Recursive: check the depth first."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from texts_in(one)


def reject_constant(name: str) -> Any:
    """Refuse NaN and Infinity, which are not JSON. Raises ValueError."""
    raise ValueError(name)


def depth(value: Any) -> int:
    """Return how many levels of lists and objects are nested, counting to MAX_DEPTH + 1."""
    levels, inside = 0, [value]
    while inside and levels <= MAX_DEPTH:
        inside = [
            part
            for one in inside
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        levels += 1
    return levels


def as_json(value: Any, *, indented: bool = True) -> str:
    """Return `value` as JSON for people to read and edit."""
    return json.dumps(value, ensure_ascii=False, indent=2 if indented else None)


PARSERS = {
    "number": parse_number,
    "boolean": parse_boolean,
    "date": parse_date,
    "datetime": parse_datetime,
    "url": parse_url,
    "email": parse_email,
    "list": parse_list,
    "object": parse_object,
}
