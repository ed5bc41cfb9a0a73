"""Which connection each mail of a batch takes, by what is known at that moment: settings, secrets, their troubles."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from django.contrib.auth import get_user_model
from django.utils.translation import gettext

from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker, selection
from mailadmin.drivers import registry
from secrets_app import vault
from secrets_app.vault import Connection

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from mailadmin.drivers.base import Driver
    from mailadmin.drivers.smtp.smtp_server import SmtpServer
    from mailadmin.errors import DeliveryError
    from mailadmin.models import ConnectionState


@dataclass(frozen=True, slots=True)
class Route:
    """The connection and server that a mail takes; neither where the driver needs none."""

    connection: Connection | None
    server: SmtpServer | None


class Routable(Protocol):
    """What of a mail decides which connections it may take."""

    @property
    def connection_hint(self) -> str: ...
    @property
    def actor_id(self) -> int | None: ...
    @property
    def is_test(self) -> bool: ...


class Router:
    """The state of things for one batch: four queries, however many mails."""

    def __init__(self, mails: Collection[Routable]) -> None:
        current = effective.current()
        self.driver: Driver = registry.driver(str(current.driver))
        self.primary = str(current.primary_connection)
        self.backups = str(current.backup_connections).split(",")
        self.asking = frozenset(str(current.ask_before_repeat).split())
        self.known: list[Connection] = []
        self.troubles: dict[str, ConnectionState] = {}
        self.actors: dict[int, User] = {}
        self.candidates_of: dict[tuple[str, int | None], list[Connection]] = {}
        self.servers: dict[tuple[str, float], SmtpServer] = {}
        if self.driver.needs_connection:
            self.known = vault.connections()
            self.troubles = circuit_breaker.unavailable(self.known)
            ids = {mail.actor_id for mail in mails if mail.connection_hint and mail.actor_id}
            self.actors = dict(get_user_model().objects.in_bulk(ids)) if ids else {}

    def way(self, mail: Routable, *, patience: float, tried: frozenset[str] = frozenset()) -> Route | str:
        """Return the way for `mail` past the connections that were `tried`, or the reason why it has to wait.

        The chosen connection comes first, then the backups in their order; a connection in trouble is passed over.
        """
        if not self.driver.needs_connection:
            return Route(None, None)
        candidates = self.candidates(mail)
        if not candidates:
            return gettext("No connection: no SMTP secret is available to the system.")
        reasons = []
        for connection in candidates:
            trouble = self.troubles.get(connection.id)
            if trouble and not mail.is_test:  # a test is how somebody looks whether the trouble is over
                reasons.append(f"{connection.name}: {trouble.reason}")
            elif connection.id not in tried:
                try:
                    return Route(connection, self.server(connection, patience))
                except vault.VaultError as error:
                    reasons.append(str(error))
        return reasons[0] if reasons else gettext("No connection is left to be tried.")

    def candidates(self, mail: Routable) -> list[Connection]:
        """Return the connections that `mail` may take, best first; without a hint, they are the same for all."""
        key = (mail.connection_hint, mail.actor_id if mail.connection_hint else None)
        if key not in self.candidates_of:
            self.candidates_of[key] = self._candidates(mail)
        return self.candidates_of[key]

    def _candidates(self, mail: Routable) -> list[Connection]:
        actor = self.actors.get(mail.actor_id) if mail.actor_id else None
        first = selection.choose(self.known, primary=self.primary, hint=mail.connection_hint, actor=actor)
        if first is None:
            return []
        by_id = {connection.id: connection for connection in self.known if vault.usable_by(connection, None)}
        rest = [by_id[one] for one in self.backups if one in by_id and one != first.id]
        return [first, *rest]

    def first_choice(self, mail: Routable) -> str:
        """Return the name of the connection that `mail` would take if all were well, or ""."""
        candidates = self.candidates(mail)
        return candidates[0].name if candidates else ""

    def server(self, connection: Connection, patience: float) -> SmtpServer:
        """Return the server of `connection`, its password revealed once a batch. Raises VaultError."""
        key = (connection.id, patience)
        if key not in self.servers:
            self.servers[key] = selection.server_for(connection, content_timeout=patience)
        return self.servers[key]

    def blame(self, connection: Connection, error: DeliveryError) -> bool:
        """Pass over `connection` from now on, here and in all workers. Returns whether that was news."""
        if connection.id in self.troubles:
            return False
        self.troubles[connection.id] = circuit_breaker.record_failure(connection, error)
        return True
