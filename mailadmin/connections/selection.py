"""Which connections there are to send through, which one a message uses, and which driver sends through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext

from mailadmin.configuration import effective
from mailadmin.drivers import registry
from secrets_app import vault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import _User as User

    from mailadmin.configuration.effective import Configuration
    from mailadmin.drivers.base import Driver
    from secrets_app.vault import Connection


def connections() -> list[Connection]:
    """Return every connection that an installed driver can send through, the environment's first, then oldest first."""
    return vault.connections(registry.connection_kinds())


def driver_for(connection: Connection, current: Driver) -> Driver:
    """Return the driver for `connection`: `current` if it is for its kind, else the one that its kind names."""
    return registry.driver_for_kind(connection.kind, preferred=current)


def choose(
    known: Sequence[Connection], current: Configuration, *, hint: str = "", actor: User | None = None
) -> Connection | None:
    """Return the connection for a message from `known` (as ordered by `connections()`), or None.

    The hint (an id or a name, any case) comes first if `actor` may use it, whatever its kind. Then the primary
    connection, if the settings name one: while it is missing, a backup, else none, because messages wait rather than
    leave through a connection that nobody chose for them. Only if no primary is named: of the kind of the driver in
    force, the environment's, or else the oldest that is available to the system.
    """
    wanted = hint.casefold()
    if wanted:
        for connection in known:
            if wanted in {connection.id, connection.name.casefold()} and vault.usable_by(connection, actor):
                return connection
    kind, primary = effective.driver_of(current).kind, str(current.primary_connection)
    own = [one for one in known if one.kind == kind and vault.usable_by(one, None)]
    if not primary:
        return own[0] if own else None
    chosen = next((one for one in own if one.id == primary), None)
    return chosen or next(iter(backups(known, current)), None)


def backups(known: Sequence[Connection], current: Configuration) -> list[Connection]:
    """Return the backup connections that the system may use, in their order."""
    for_system = {one.id: one for one in known if vault.usable_by(one, None)}
    return [for_system[one] for one in str(current.backup_connections).split(",") if one in for_system]


def missing_reason(current: Configuration) -> str:
    """Return why `choose` finds no connection for a message without a hint."""
    if str(current.primary_connection):
        return gettext("The primary connection is missing. Choose another in the mail settings.")
    return gettext("No connection is available to the system.")


def candidates(
    known: Sequence[Connection], current: Configuration, *, hint: str = "", actor: User | None = None
) -> list[Connection]:
    """Return the connections that a message may use, best first: the chosen one, then the backups in their order.

    A backup may be of another kind than the chosen connection: then another driver sends through it.
    """
    first = choose(known, current, hint=hint, actor=actor)
    if first is None:
        return []
    return [first, *(one for one in backups(known, current) if one.id != first.id)]
