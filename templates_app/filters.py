"""The filters that write dates, numbers and money as a language does. Pure, without Django; the words are Babel's.

A value that is None becomes nothing. One of a wrong type raises FilterArgumentError with a plain sentence.
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
DEFAULT = "en"
MAX_DECIMALS = 10


@lru_cache(maxsize=256)
def locale_of(language: str) -> Locale:
    """Return Babel's locale for a language code, or for the nearest one that it knows; English for none."""
    parts = language.split("-")
    while parts:
        try:
            return Locale.parse("-".join(parts), sep="-")
        except (UnknownLocaleError, ValueError):
            parts.pop()
    return Locale.parse(DEFAULT)


def warm_up(language: str) -> None:
    """Read the data of a language, which Babel does on first use, before files can no longer be opened."""
    locale = locale_of(language)
    moment = datetime(2026, 3, 1, 12, 30)  # noqa: DTZ001  # any one; without a time zone like most values
    for length in LENGTHS:
        write_datetime(locale, moment.isoformat() + "+01:00", length)
    write_money(locale, 1, "EUR")
    write_percent(locale, 0.5)


def filters_for(language: str) -> dict[str, Callable[..., str]]:
    """Return the filters by name, bound to a language code."""
    locale = locale_of(language)
    return {name: partial(function, locale) for name, function in FILTERS.items()}


def write_date(locale: Locale, given: object, length: str = "medium") -> str:
    """``{{ day|date("long") }}``: 1 March 2026."""
    if given is None:
        return ""
    return format_date(moment(given, "a date such as 2026-03-01").date(), length_of(length), locale=locale)


def write_time(locale: Locale, given: object, length: str = "short") -> str:
    """``{{ start|time }}``: 12:30. In the value's own time zone."""
    if given is None:
        return ""
    if isinstance(given, str) and "-" not in given[:5]:
        try:
            return format_time(time.fromisoformat(given), length_of(length), locale=locale)
        except ValueError:
            pass
    found = moment(given, "a time such as 12:30")
    return format_time(found, length_of(length), tzinfo=found.tzinfo, locale=locale)


def write_datetime(locale: Locale, given: object, length: str = "medium") -> str:
    """``{{ start|datetime("short") }}``: 01/03/2026, 12:30. In the value's own time zone."""
    if given is None:
        return ""
    found = moment(given, "a date and time such as 2026-03-01T12:30:00")
    return format_datetime(found, length_of(length), tzinfo=found.tzinfo, locale=locale)


def moment(given: object, wanted: str) -> datetime:
    """Return ISO text or a date as a datetime. Raises FilterArgumentError."""
    if isinstance(given, datetime):
        return given
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day)  # noqa: DTZ001  # a date has no time zone
    if isinstance(given, str):
        try:
            return datetime.fromisoformat(given)
        except ValueError:
            pass
    raise FilterArgumentError(f"“{str(given)[:40]}” is not {wanted}")


def length_of(given: object) -> Length:
    """Return one of Babel's lengths. Raises FilterArgumentError."""
    if given not in LENGTHS:
        raise FilterArgumentError(f"“{str(given)[:40]}” is none of {', '.join(LENGTHS)}")
    return cast("Length", given)


def write_number(locale: Locale, given: object, decimals: int | None = None) -> str:
    """``{{ 1234.5|number }}``: 1,234.5; ``number(2)``: 1,234.50."""
    if given is None:
        return ""
    pattern = locale.decimal_formats[None]
    if decimals is not None:
        pattern = with_decimals(pattern, decimals)
    return str(pattern.apply(amount(given), locale))


def write_percent(locale: Locale, given: object, decimals: int | None = None) -> str:
    """``{{ 0.25|percent }}``: 25%."""
    if given is None:
        return ""
    pattern = locale.percent_formats[None]
    if decimals is not None:
        pattern = with_decimals(pattern, decimals)
    return str(pattern.apply(amount(given), locale))


def write_money(locale: Locale, given: object, currency: str) -> str:
    """``{{ 19.9|money("EUR") }}``: €19.90. The currency is a code of ISO 4217."""
    if given is None:
        return ""
    try:
        validate_currency(str(currency))
    except UnknownCurrencyError as error:
        raise FilterArgumentError(f"“{str(currency)[:40]}” is not a currency such as EUR") from error
    return str(format_currency(amount(given), str(currency), locale=locale))


def amount(given: object) -> int | float:
    """Return a number. Raises FilterArgumentError."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return given
    raise FilterArgumentError(f"“{str(given)[:40]}” is not a number")


def with_decimals(pattern: Any, decimals: object) -> Any:
    """Return Babel's number pattern with exactly so many decimals. Raises FilterArgumentError."""
    if not isinstance(decimals, int) or not 0 <= decimals <= MAX_DECIMALS:
        raise FilterArgumentError(f"A number has 0 to {MAX_DECIMALS} decimals")
    changed = copy(pattern)
    changed.frac_prec = (decimals, decimals)
    return changed


FILTERS: Mapping[str, Callable[..., str]] = {
    "date": write_date,
    "time": write_time,
    "datetime": write_datetime,
    "number": write_number,
    "percent": write_percent,
    "money": write_money,
}
