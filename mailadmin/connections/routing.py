"""Chooses the connection for each message of a batch, by the settings, the secrets and the circuit breakers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from django.contrib.auth import get_user_model
from django.utils.translation import gettext

from mailadmin.configuration import effective
from mailadmin.connections import circuit_breaker, limitations, revealing, selection
from mailadmin.drivers.missing import MissingDriver
from maillog.queue.claimed_messages import ClaimedMessage
from secrets_app import vault
from secrets_app.vault import Connection

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from mailadmin.drivers.base import Driver, RevealedConnection
    from mailadmin.errors import DeliveryError
    from mailadmin.models import ConnectionState


@dataclass(frozen=True, slots=True)
class Route:
    """The driver for a message, and the connection that it sends through, with and without its secrets, if any."""

    driver: Driver
    connection: Connection | None = None
    revealed: RevealedConnection | None = None


class Routable(Protocol):
    """The fields of a message that decide which connections it may use."""

    @property
    def connection_hint(self) -> str: ...
    @property
    def actor_id(self) -> int | None: ...
    @property
    def is_test(self) -> bool: ...


class Router:
    """Settings, connections and circuit breakers as they are for one batch: four queries, however many messages."""

    def __init__(self, mails: Collection[Routable]) -> None:
        current = effective.current()
        self.current = current
        self.driver: Driver = effective.driver_of(current)
        self.ask_before_resend = frozenset(str(current.ask_before_resend).split())  # keys of templates
        self.connections: list[Connection] = []
        self.unavailable: dict[str, ConnectionState] = {}
        self.actors: dict[int, User] = {}
        self.candidates_of: dict[tuple[str, int | None], list[Connection]] = {}
        self.revealed: dict[tuple[str, float], RevealedConnection] = {}
        if self.driver.needs_connection:
            self.connections = selection.connections()
            self.unavailable = circuit_breaker.unavailable(self.connections)
            ids = {mail.actor_id for mail in mails if mail.connection_hint and mail.actor_id}
            self.actors = dict(get_user_model().objects.in_bulk(ids)) if ids else {}

    def route_for(self, mail: Routable, *, content_timeout: float, tried: frozenset[str] = frozenset()) -> Route | str:
        """Return the route for `mail` that avoids the connections `tried`, or the reason why it has to wait.

        The chosen connection comes first, then the backups in their order; a connection that is not open is skipped.
        `content_timeout`: see `revealing.revealed`.
        """
        if isinstance(self.driver, MissingDriver):
            return self.driver.unavailable_reason()
        if not self.driver.needs_connection:
            return self.refusal(self.driver, mail) or Route(self.driver)
        candidates = self.candidates(mail)
        if not candidates:
            return selection.missing_reason(self.current)
        reasons = []
        for connection in candidates:
            state = self.unavailable.get(connection.id)
            if state and not mail.is_test:  # a test message shows whether the connection works again
                reasons.append(f"{connection.name}: {state.reason}")
            elif refusal := self.refusal(selection.driver_for(connection, self.driver), mail):
                reasons.append(f"{connection.name}: {refusal}")
            elif connection.id not in tried:
                try:
                    return self.route_through(connection, content_timeout)
                except vault.VaultError as error:
                    reasons.append(str(error))
        return reasons[0] if reasons else gettext("No other connection is left to try.")

    @staticmethod
    def refusal(driver: Driver, mail: Routable) -> str:
        """Return the sentence that `driver` cannot carry `mail`, "" if it can or if the content is not at hand."""
        return limitations.claimed_refusal(driver, mail) if isinstance(mail, ClaimedMessage) else ""

    def candidates(self, mail: Routable) -> list[Connection]:
        """Return the connections that `mail` may use, best first. Without a hint they are the same for all messages."""
        key = (mail.connection_hint, mail.actor_id if mail.connection_hint else None)
        if key not in self.candidates_of:
            self.candidates_of[key] = self._candidates(mail)
        return self.candidates_of[key]

    def _candidates(self, mail: Routable) -> list[Connection]:
        # SQLite gives a UUID as it stores it.
        actor = self.actors.get(get_user_model()._meta.pk.to_python(mail.actor_id)) if mail.actor_id else None
        return selection.candidates(self.connections, self.current, hint=mail.connection_hint, actor=actor)

    def first_choice(self, mail: Routable) -> str:
        """Return the name of the connection that `mail` uses while all are open, or ""."""
        candidates = self.candidates(mail)
        return candidates[0].name if candidates else ""

    def route_through(self, connection: Connection, content_timeout: float) -> Route:
        """Return the route through `connection`, whose secrets are revealed once per batch. Raises VaultError."""
        key = (connection.id, content_timeout)
        if key not in self.revealed:
            self.revealed[key] = revealing.revealed(connection, content_timeout=content_timeout)
        return Route(selection.driver_for(connection, self.driver), connection, self.revealed[key])

    def record_failure(self, connection: Connection, error: DeliveryError) -> bool:
        """Skip `connection` from now on, here and in all workers. Returns whether its failure is new to this batch."""
        if connection.id in self.unavailable:
            return False
        self.unavailable[connection.id] = circuit_breaker.record_failure(connection, error)
        return True
