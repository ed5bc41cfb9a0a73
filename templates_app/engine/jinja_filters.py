"""The filters that format dates, numbers and money for a language, with Babel. Without Django.

None becomes empty text. A value of the wrong type raises FilterArgumentError with a sentence for people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from datetime import date, datetime, time
from functools import lru_cache, partial
from typing import Any, Literal, cast

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import UnknownCurrencyError, format_currency, validate_currency
from jinja2.exceptions import FilterArgumentError

Length = Literal["short", "medium", "long", "full"]
LENGTHS = ("short", "medium", "long", "full")
DEFAULT_LANGUAGE = "en"
MAX_DECIMALS = 10
MAX_NUMBER = 10**18
CACHE_SIZE = 2_000  # results of each filter


@lru_cache(maxsize=256)
def locale_of(language: str) -> Locale:
    """Return Babel's locale for a language code or the nearest one that it knows, else English."""
    parts = language.split("-")
    while parts:
        try:
            return Locale.parse("-".join(parts), sep="-")
        except (UnknownLocaleError, ValueError):
            parts.pop()
    return Locale.parse(DEFAULT_LANGUAGE)


def warm_up(language: str) -> None:
    """Load a language's data, which Babel reads from files on first use: the sandbox cannot open any later."""
    for length in LENGTHS:
        datetime_filter(language, "2026-03-01T12:30:00+01:00", length)
    money_filter(language, 1, "EUR")
    percent_filter(language, 0.5)


def filters_for(language: str) -> dict[str, Callable[..., str]]:
    """Return the filters by name, bound to a language code."""
    return {name: partial(function, language) for name, function in FILTERS.items()}


def date_filter(language: str, given: object, length: str = "medium") -> str:
    """``{{ day|date("long") }}``: 1 March 2026."""
    return "" if given is None else date_text(language, text_argument(given), length_argument(length))


def time_filter(language: str, given: object, length: str = "short") -> str:
    """``{{ start|time }}``: 12:30, in the value's own time zone."""
    return "" if given is None else time_text(language, text_argument(given), length_argument(length))


def datetime_filter(language: str, given: object, length: str = "medium") -> str:
    """``{{ start|datetime("short") }}``: 01/03/2026, 12:30, in the value's own time zone."""
    return "" if given is None else datetime_text(language, text_argument(given), length_argument(length))


def number_filter(language: str, given: object, decimals: int | None = None) -> str:
    """``{{ 1234.5|number }}``: 1,234.5; ``number(2)``: 1,234.50."""
    return "" if given is None else number_text(language, number_argument(given), decimals_argument(decimals))


def percent_filter(language: str, given: object, decimals: int | None = None) -> str:
    """``{{ 0.25|percent }}``: 25%."""
    return "" if given is None else percent_text(language, number_argument(given), decimals_argument(decimals))


def money_filter(language: str, given: object, currency: str) -> str:
    """``{{ 19.9|money("EUR") }}``: €19.90. The currency is an ISO 4217 code."""
    return "" if given is None else money_text(language, number_argument(given), text_argument(currency))


FILTERS: Mapping[str, Callable[..., str]] = {
    "date": date_filter,
    "time": time_filter,
    "datetime": datetime_filter,
    "number": number_filter,
    "percent": percent_filter,
    "money": money_filter,
}


# ---------------------------------------------------------------- arguments


def text_argument(given: object) -> str:
    """Return text, or a date as ISO text. Raises FilterArgumentError."""
    if isinstance(given, str):
        return str.__str__(given)[:100]
    if isinstance(given, date):
        return given.isoformat()
    raise FilterArgumentError(f"This filter needs text, not {type(given).__name__}")


def length_argument(given: object) -> Length:
    if given not in LENGTHS:
        raise FilterArgumentError(f"“{str(given)[:40]}” is not one of {', '.join(LENGTHS)}")
    return cast("Length", given)


def number_argument(given: object) -> int | float:
    if isinstance(given, int | float) and not isinstance(given, bool) and abs(given) <= MAX_NUMBER:
        return given
    raise FilterArgumentError(f"“{str(given)[:40]}” is not a number that can be formatted")


def decimals_argument(given: object) -> int | None:
    """Return the number of decimals; None means as many as there are. Raises FilterArgumentError."""
    if given is None or (isinstance(given, int) and 0 <= given <= MAX_DECIMALS):
        return given
    raise FilterArgumentError(f"A number can have 0 to {MAX_DECIMALS} decimals")


# ---------------------------------------------------------------- formatting, cached because Babel is slow


@lru_cache(maxsize=CACHE_SIZE)
def date_text(language: str, given: str, length: Length) -> str:
    return format_date(parse_datetime(given, "a date such as 2026-03-01").date(), length, locale=locale_of(language))


@lru_cache(maxsize=CACHE_SIZE)
def time_text(language: str, given: str, length: Length) -> str:
    try:
        found: time | datetime = time.fromisoformat(given)
    except ValueError:
        found = parse_datetime(given, "a time such as 12:30")
    return format_time(found, length, tzinfo=found.tzinfo, locale=locale_of(language))


@lru_cache(maxsize=CACHE_SIZE)
def datetime_text(language: str, given: str, length: Length) -> str:
    found = parse_datetime(given, "a date and time such as 2026-03-01T12:30:00")
    return format_datetime(found, length, tzinfo=found.tzinfo, locale=locale_of(language))


def parse_datetime(given: str, wanted: str) -> datetime:
    try:
        return datetime.fromisoformat(given)
    except ValueError as error:
        raise FilterArgumentError(f"“{given[:40]}” is not {wanted}") from error


@lru_cache(maxsize=CACHE_SIZE, typed=True)
def number_text(language: str, given: int | float, decimals: int | None) -> str:
    locale = locale_of(language)
    return str(with_decimals(locale.decimal_formats[None], decimals).apply(given, locale))


@lru_cache(maxsize=CACHE_SIZE, typed=True)
def percent_text(language: str, given: int | float, decimals: int | None) -> str:
    locale = locale_of(language)
    return str(with_decimals(locale.percent_formats[None], decimals).apply(given, locale))


@lru_cache(maxsize=CACHE_SIZE, typed=True)
def money_text(language: str, given: int | float, currency: str) -> str:
    try:
        validate_currency(currency)
    except UnknownCurrencyError as error:
        raise FilterArgumentError(f"“{currency[:40]}” is not a currency such as EUR") from error
    return str(format_currency(given, currency, locale=locale_of(language)))


def with_decimals(pattern: Any, decimals: int | None) -> Any:
    """Return Babel's number pattern with exactly `decimals` decimals; None leaves it as it is."""
    if decimals is None:
        return pattern
    changed = copy(pattern)
    changed.frac_prec = (decimals, decimals)
    return changed
