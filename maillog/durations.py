"""Durations and ages as short texts in one unit."""

from __future__ import annotations

from django.utils import formats
from django.utils.translation import gettext, ngettext

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def duration(seconds: float) -> str:
    """Return such as “40 ms”, “0.4 s”, “2.1 s”, “45 s”, “12 min”, “3 h”, “2 days”, rounded up."""
    if seconds < 0.1:
        return gettext("%d ms") % max(1, _up(seconds * 1000))
    if seconds < 10:
        return gettext("%s s") % formats.number_format(_up(seconds * 10) / 10, 1)
    unit = _unit(seconds)
    return _text(_up(seconds / unit), unit)


def age(seconds: float) -> str:
    """Return a short age such as “4 s”, “12 min” or “3 h”, rounded down."""
    whole = int(seconds)
    unit = _unit(whole)
    return _text(whole // unit, unit)


def _unit(seconds: float) -> int:
    """Return the unit in seconds: the smaller one up to two of the larger."""
    return 1 if seconds < 2 * MINUTE else MINUTE if seconds < 2 * HOUR else HOUR if seconds < 2 * DAY else DAY


def _text(number: int, unit: int) -> str:
    if unit == DAY:
        return ngettext("%d day", "%d days", number) % number
    return {1: gettext("%d s"), MINUTE: gettext("%d min"), HOUR: gettext("%d h")}[unit] % number


def _up(number: float) -> int:
    return -int(-round(number, 6) // 1)
