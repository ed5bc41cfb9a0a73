"""What keeps messages from leaving: the first thing that is missing, and the page where it is fixed."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from mailadmin.configuration import effective
from mailadmin.configuration.effective import Configuration
from mailadmin.connections import selection
from secrets_app import vault
from secrets_app.vault import Connection


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps messages from leaving, in one sentence, and the page where it is fixed."""

    text: str
    url_name: str
    action: str


def problem(current: Configuration) -> Problem | None:
    """Return the first thing that keeps messages from leaving, or None."""
    return problem_with(current, system_connection(current))


def problem_with(current: Configuration, connection: Connection | None) -> Problem | None:
    """Return the same for a caller that has looked up the system's connection: no query."""
    if found := connection_problem(current, connection):
        return found
    if not str(current.from_address) and not (connection and connection.sender):
        return Problem(
            gettext("Mail is not configured: there is no From address."),
            "mailadmin:settings",
            gettext("Set the From address"),
        )
    return None


def connection_problem(current: Configuration, connection: Connection | None) -> Problem | None:
    """Return what is wrong with the driver, or with the connection of system messages if it needs one, or None."""
    driver = effective.driver_of(current)
    if fault := driver.unavailable_reason():
        return Problem(fault, "mailadmin:settings", gettext("Open the mail settings"))
    if not driver.needs_connection:
        return None
    if connection is None and str(current.primary_connection):
        return Problem(
            gettext("Messages are held: the primary connection is missing."),
            "mailadmin:settings",
            gettext("Choose another"),
        )
    if connection is None:
        return Problem(
            gettext("Mail is not configured: there is no connection that the system may use."),
            "secrets_app:list",
            gettext("Add a connection"),
        )
    if vault.unreadable(connection):
        return Problem(
            gettext("Messages are held: the password of the connection “%s” cannot be read.") % connection.name,
            "secrets_app:list",
            gettext("Open the secret"),
        )
    return None


def system_connection(current: Configuration) -> Connection | None:
    """Return the connection for a message of the system without a hint, or None."""
    return selection.choose(selection.connections(), current)
