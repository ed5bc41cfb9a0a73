"""Checks environment variables whose valid values depend on the registered drivers and kinds of secret.

All other variables are read by the project's settings before apps are loaded; see `config.environment`.
"""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from mailadmin.drivers import registry
from secrets_app.kinds.kind_registry import kinds


def check_variables() -> None:
    """Raise ImproperlyConfigured, naming every variable with an invalid value."""
    problems = [*driver_problems(), *(problem for kind in kinds() for problem in kind.environment_problems())]
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        message = f"The environment (or .env) has values that cannot be used:\n{lines}"
        raise ImproperlyConfigured(message)


def driver_problems() -> list[str]:
    """Return the problems of the driver set in the environment and of the kinds of secret that drivers need."""
    known, chosen = registry.driver_keys(), settings.MAIL.driver
    wrong = [f"{settings.MAIL.driver_variable}: must be one of {', '.join(known)}, not {chosen!r}"]
    kind_keys = {kind.key for kind in kinds()}
    missing = [
        f"The driver {driver.key!r} needs the kind of secret {driver.kind!r}, which is not registered"
        for driver in registry.drivers()
        if driver.kind and driver.kind not in kind_keys
    ]
    return [*(wrong if chosen and chosen not in known else []), *missing]


def is_declared(name: str) -> bool:
    """Whether a kind of secret reads the variable `name`, or the file that it names."""
    declared = {variable for kind in kinds() for variable in kind.environment_variables.values()}
    return name.removesuffix("_FILE") in declared
