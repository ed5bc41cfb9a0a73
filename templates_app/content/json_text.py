"""JSON in files that people edit: always written the same way, read strictly, with errors that name the line.

Without Django. Reading refuses what a database or another program might not accept: duplicate keys, NaN, NUL, lone
surrogates and deep nesting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

MAX_DEPTH = 50  # levels of lists and objects
SPACE = re.compile(r"[ \t\r\n]*")
decoder = json.JSONDecoder()


class JsonError(ValueError):
    """A text is not JSON that can be stored. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class DuplicateKeyError(ValueError):
    """An object has a key twice; the message is the key."""


def dumps(data: object) -> str:
    """Return `data` as text: indented by 2, keys in the order given, a newline at the end."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def loads(text: str) -> Any:
    """Return the data in `text`. Raises JsonError."""
    if text.startswith("\ufeff"):
        raise JsonError(1, "begins with a byte order mark; save it as UTF-8 without one")
    try:
        data = json.loads(text, object_pairs_hook=unique_keys, parse_constant=reject_constant)
    except json.JSONDecodeError as error:
        raise JsonError(error.lineno, f"is not JSON: {error.msg}, column {error.colno}") from error
    except DuplicateKeyError as error:
        raise JsonError(line_of_last_key(text, str(error)), f"the key {error} is given twice") from error
    except RecursionError as error:
        raise JsonError(1, "is nested too deeply") from error
    except ValueError as error:  # NaN, numbers of thousands of digits
        raise JsonError(1, f"contains a number that cannot be stored: {error}"[:200]) from error
    fault = first_unstorable(data)
    if fault is not None:
        path, message = fault
        raise JsonError(line_of(text, path), message)
    return data


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as an object. Raises DuplicateKeyError."""
    whole: dict[str, Any] = {}
    for key, value in pairs:
        if key in whole:
            raise DuplicateKeyError(key)
        whole[key] = value
    return whole


def reject_constant(name: str) -> NoReturn:
    """Raise ValueError for NaN and Infinity, which are not JSON."""
    raise ValueError(name)


def first_unstorable(data: object, path: tuple[str | int, ...] = ()) -> tuple[tuple[str | int, ...], str] | None:
    """Return the path of the first value in `data` that a database could not store, and why; None if there is none."""
    if len(path) > MAX_DEPTH:
        return path, "is nested too deeply"
    if isinstance(data, str) and not is_storable(data):
        return path, "contains a character that cannot be stored"
    if isinstance(data, float) and data in (float("inf"), float("-inf")):
        return path, "is a number too large to store"
    if isinstance(data, dict):
        for key, value in data.items():
            if not is_storable(key):
                return path, "contains a character that cannot be stored"
            if (found := first_unstorable(value, (*path, key))) is not None:
                return found
    if isinstance(data, list):
        for number, value in enumerate(data):
            if (found := first_unstorable(value, (*path, number))) is not None:
                return found
    return None


def is_storable(text: str) -> bool:
    """Return whether databases and files can store `text`: it has no NUL and no lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


# ---------------------------------------------------------------- line numbers


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Return the line, from 1, on which the value at `path` starts in valid JSON; if missing, its container's."""
    at = skip_space(text, 0)
    for step in path:
        found = child_offset(text, at, step)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def child_offset(text: str, at: int, step: str | int) -> int | None:
    """Return the offset of member `step` of the list or object at offset `at`, or None if there is none."""
    opening, number = text[at], 0
    if opening not in "{[":
        return None
    at = skip_space(text, at + 1)
    while text[at] not in "}]":
        name: str | int = number
        if opening == "{":
            name, at = decoder.raw_decode(text, at)
            at = skip_space(text, skip_space(text, at) + 1)  # past the colon
        if name == step or str(name) == str(step):
            return at
        at = skip_space(text, decoder.raw_decode(text, at)[1])
        if text[at] == ",":
            at = skip_space(text, at + 1)
        number += 1
    return None


def line_of_last_key(text: str, key: str) -> int:
    places = [match.start() for match in re.finditer(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", text)]
    return text.count("\n", 0, places[-1]) + 1 if places else 1


def skip_space(text: str, at: int) -> int:
    """Return the first offset from `at` that is not white space."""
    match = SPACE.match(text, at)
    return match.end() if match else at
