"""Which drivers there are. A driver is known here and nowhere else by its key.

Every module in `mailadmin.drivers` is imported at the start, and so is what the setting ``MAIL_DRIVER_MODULES`` names;
each registers its driver. Another app may register one in its `AppConfig.ready`.
"""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mailadmin import drivers as package
from mailadmin.drivers.base import Driver
from mailadmin.errors import ConfigurationError
from secrets_app.redaction import register_hidden_module

if TYPE_CHECKING:
    from collections.abc import Iterable

DriverClass = TypeVar("DriverClass", bound=type[Driver])

KEY = re.compile(r"[a-z][a-z0-9_-]{0,19}")

_drivers: dict[str, Driver] = {}


def register_driver(driver_class: DriverClass) -> DriverClass:
    """Make a driver known by its `key`; usable as a class decorator.

    Raises ValueError for a key that is malformed or taken, and for a driver with connections that has no `probe`.
    """
    key = driver_class.key
    if not KEY.fullmatch(key):
        message = f"{driver_class.__name__}: the key {key!r} is not made of at most 20 of a-z, 0-9, - and _"
        raise ValueError(message)
    known = _drivers.get(key)
    if known is not None and type(known) is not driver_class:
        message = f"two drivers have the key {key!r}"
        raise ValueError(message)
    if driver_class.kind and driver_class.probe is Driver.probe:
        message = f"{driver_class.__name__} has connections, so it must have `probe`"
        raise ValueError(message)
    _drivers[key] = driver_class()
    register_hidden_module(driver_class.__module__)
    return driver_class


def unregister_driver(key: str) -> None:
    """Forget a driver, if it is known."""
    _drivers.pop(key, None)


def load_drivers() -> None:
    """Import every module that registers a driver. Raises ImproperlyConfigured if one of the settings' is missing."""
    for module in pkgutil.iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}{'.driver' if module.ispkg else ''}")
    for name in getattr(settings, "MAIL_DRIVER_MODULES", ()):
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            message = f"MAIL_DRIVER_MODULES: there is no module {name!r}"
            raise ImproperlyConfigured(message) from error


def find_driver(key: str) -> Driver:
    """Return the driver of that key. Raises ConfigurationError for an unknown one."""
    try:
        return _drivers[key]
    except KeyError:
        message = f"There is no mail driver {key!r}; known are {', '.join(driver_keys())}."
        raise ConfigurationError(message) from None


def drivers() -> list[Driver]:
    """Return all drivers in their order."""
    return sorted(_drivers.values(), key=lambda driver: driver.order)


def driver_keys() -> list[str]:
    """Return the keys of all drivers, in their order."""
    return [driver.key for driver in drivers()]


def default_driver() -> Driver:
    """Return the driver that is in force where none is chosen."""
    return drivers()[0]


def connection_kinds() -> list[str]:
    """Return the kinds of secrets that drivers make connections of, in the order of the drivers."""
    return list(dict.fromkeys(driver.kind for driver in drivers() if driver.kind))


def driver_for_kind(kind: str, *, preferred: Driver | None = None) -> Driver:
    """Return the driver of connections of `kind`, `preferred` if it is one. Raises ConfigurationError."""
    able: Iterable[Driver] = (driver for driver in (preferred, *drivers()) if driver and driver.kind == kind)
    found = next(iter(able), None)
    if found is None:
        message = f"No mail driver sends through a secret of the kind {kind!r}."
        raise ConfigurationError(message)
    return found
