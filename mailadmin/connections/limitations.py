"""Whether the driver for a message can carry it: asked before it is stored, and again where it is routed."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING, cast

from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.drivers import registry
from mailadmin.drivers.capabilities import Requirements
from mailadmin.errors import InvalidMail

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from mailadmin.configuration.effective import Configuration
    from mailadmin.drivers.base import Driver
    from maillog.queue.claimed_messages import ClaimedMessage
    from maillog.queue.enqueueing import NewMessage
    from secrets_app.vault import Connection


def claimed_refusal(driver: Driver, mail: ClaimedMessage) -> str:
    """Return the sentence that `driver` cannot carry a claimed message, or ""."""
    if not driver.has_limitations:
        return ""
    parts = message_from_bytes(mail.mime, policy=policy.default).walk()
    requirements = Requirements(
        size=len(mail.mime),
        recipients=len(mail.recipients),
        has_attachment=any(part.get_content_disposition() == "attachment" for part in parts),
        needs_smtputf8=mail.needs_smtputf8,
    )
    feature = driver.limitation(requirements)
    return driver.refusal(feature) if feature else ""


class StoreCheck:
    """Refuses messages that the driver for them cannot carry. Makes queries only if some driver has limitations."""

    def __init__(self, current: Configuration) -> None:
        self.current = current
        self.is_needed = any(driver.has_limitations for driver in registry.drivers())
        self._connections: list[Connection] | None = None

    def check(self, message: NewMessage) -> None:
        """Raise InvalidMail naming the field and the driver."""
        driver = self._driver_for(message) if self.is_needed else None
        if driver is None:
            return
        requirements = Requirements(
            size=len(message.mime),
            recipients=sum(not one.skipped for one in message.recipients),
            has_attachment=message.has_attachment,
            needs_smtputf8=message.needs_smtputf8,
        )
        if feature := driver.limitation(requirements):
            raise InvalidMail(feature.field, driver.refusal(feature))

    def check_hint(self, message: NewMessage) -> None:
        """Raise InvalidMail unless the message's connection hint is empty or names a connection.

        Where the driver in force needs none, as in development, any name is accepted.
        """
        hint = message.connection_hint.casefold()
        if hint and effective.driver_of(self.current).needs_connection:
            if self._connections is None:
                self._connections = selection.connections()
            if not any(hint in {one.id, one.name.casefold()} for one in self._connections):
                raise InvalidMail("connection_hint", "is not the name of a connection")

    def _driver_for(self, message: NewMessage) -> Driver | None:
        """Return the driver for the first choice of the message, None while it has no connection."""
        driver = effective.driver_of(self.current)
        if not driver.needs_connection:
            return driver
        if self._connections is None:
            self._connections = selection.connections()
        actor = cast("User | None", message.actor)
        connection = selection.choose(self._connections, self.current, hint=message.connection_hint, actor=actor)
        return selection.driver_for(connection, driver) if connection else None
