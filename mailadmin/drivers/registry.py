"""Which drivers there are, by the name used in settings, in ``MAIL_DRIVER`` and in the log."""

from __future__ import annotations

from typing import TypeVar

from mailadmin.drivers.base import Driver
from mailadmin.drivers.disabled import DisabledDriver
from mailadmin.drivers.log import LogDriver
from mailadmin.drivers.sendmail import SendmailDriver
from mailadmin.drivers.silent import SilentDriver
from mailadmin.drivers.smtp.driver import SmtpDriver
from mailadmin.errors import ConfigurationError

DriverClass = TypeVar("DriverClass", bound=type[Driver])

_registered: dict[str, Driver] = {}


def register_driver(kind: DriverClass) -> DriverClass:
    """Make a driver known under its `key`; usable as a class decorator. Raises ValueError for a key already taken."""
    known = _registered.get(kind.key)
    if known is not None and type(known) is not kind:
        message = f"two drivers want the key {kind.key!r}"
        raise ValueError(message)
    _registered[kind.key] = kind()
    return kind


def driver(key: str) -> Driver:
    """Return the driver of that key. Raises ConfigurationError for an unknown one."""
    try:
        return _registered[key]
    except KeyError:
        message = f"There is no mail driver {key!r}; known are {', '.join(_registered)}."
        raise ConfigurationError(message) from None


def drivers() -> list[Driver]:
    """Return all drivers in the order in which they were registered."""
    return list(_registered.values())


for _kind in (SmtpDriver, SendmailDriver, LogDriver, SilentDriver, DisabledDriver):
    register_driver(_kind)
