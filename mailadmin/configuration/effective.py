"""The effective mail configuration: the value in force of each setting, and its source.

Values from the page override the environment, which overrides the defaults. Two exceptions: a driver set in the
environment cannot be overridden, and with ``MAIL_LOCKED`` neither can any other value set there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, models, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.drivers import registry
from mailadmin.drivers.missing import MissingDriver
from mailadmin.errors import ConfigurationError
from mailadmin.models import SendMode, SettingsRevision

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from mailadmin.drivers.base import Driver

FIELDS = (
    "driver",
    "mode",
    "from_name",
    "from_address",
    "reply_to",
    "primary_connection",
    "backup_connections",
    "ask_before_resend",
)
VARIABLES = {
    "driver": "MAIL_DRIVER",
    "mode": "MAIL_SEND_MODE",
    "from_name": "MAIL_FROM_NAME",
    "from_address": "MAIL_FROM_ADDRESS",
    "reply_to": "MAIL_REPLY_TO",
}


class Source(models.TextChoices):
    """Where a value came from."""

    PAGE = "page", _("this page")
    ENVIRONMENT = "environment", _("environment")
    DEFAULT = "default", _("default")


class SettingsConflictError(ConfigurationError):
    """Another person saved the settings in the meantime."""


@dataclass(frozen=True, slots=True)
class Value:
    """One setting: the value in force, its source, and why the page cannot change it (empty: it can)."""

    value: str
    source: Source
    variable: str
    inherited: str  # what would be in force without the page: the environment's value or the default
    inherited_source: Source
    lock: str = ""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Configuration:
    """All settings in force. `revision` is the number of the newest settings revision, None before the first."""

    driver: Value
    mode: Value
    from_name: Value
    from_address: Value
    reply_to: Value
    primary_connection: Value
    backup_connections: Value
    ask_before_resend: Value
    revision: int | None

    def __getitem__(self, field: str) -> Value:
        value: Value = getattr(self, field)
        return value


def current() -> Configuration:
    """Return the configuration in force, with one query."""
    revision, saved = newest_revision()
    values = {field: resolve(field, saved.get(field, "")) for field in FIELDS}
    if values["driver"].lock and not find_driver(str(values["driver"])).needs_connection:
        lock = gettext("The driver “%s” uses no connection.") % values["driver"]
        values["primary_connection"] = resolve("primary_connection", "", lock=lock)
    return Configuration(**values, revision=revision)


def newest_revision() -> tuple[int | None, dict[str, str]]:
    """Return the number and the values of the newest settings revision, None and {} before the first.

    Runs for every stored message. Django takes ten times as long to compile the statement as the database to run it.
    """
    quote = connection.ops.quote_name
    columns = ", ".join(quote(name) for name in ("id", *FIELDS))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {quote(SettingsRevision._meta.db_table)} ORDER BY id DESC LIMIT 1")  # noqa: S608  (names of ours)
        row = cursor.fetchone()
    return (row[0], dict(zip(FIELDS, row[1:], strict=True))) if row else (None, {})


def resolve(field: str, saved: str, *, lock: str = "") -> Value:
    """Return the setting `field`; `saved` is the value from the page, or ""."""
    variable = VARIABLES.get(field, "")
    outside = environment_value(field)
    inherited = outside or default_value(field)
    inherited_source = Source.ENVIRONMENT if outside else Source.DEFAULT
    if outside and (field == "driver" or settings.MAIL.locked):
        lock = gettext("%s is set in the environment and cannot be changed here.") % variable
    if saved and not lock:
        return Value(saved, Source.PAGE, variable, inherited, inherited_source)
    return Value(inherited, inherited_source, variable, inherited, inherited_source, lock)


def environment_value(field: str) -> str:
    """Return the value of `field` in the environment, or ""."""
    mail = settings.MAIL
    values = {
        "driver": mail.driver,
        "mode": mail.send_mode,
        "from_name": mail.from_name,
        "from_address": mail.from_address,
        "reply_to": mail.reply_to,
    }
    return values.get(field, "")


def default_value(field: str) -> str:
    """Return the value of `field` if neither the page nor the environment sets it."""
    if field == "driver":
        return registry.default_driver().key
    return SendMode.BACKGROUND.value if field == "mode" else ""


def save(values: Mapping[str, str], *, author: User, expected_revision: int | None) -> SettingsRevision | None:
    """Store `values` as a new revision and return it, or None if nothing changed.

    A locked setting keeps what was saved before. Raises SettingsConflictError if the newest
    revision is not `expected_revision`.
    """
    with transaction.atomic():
        newest = SettingsRevision.objects.select_for_update().first()
        if (newest.pk if newest else None) != expected_revision:
            message = gettext("Another person saved these settings in the meantime.")
            raise SettingsConflictError(message)
        before = {field: getattr(newest, field, "") for field in FIELDS}
        effective = current()
        after = {field: before[field] if effective[field].lock else values.get(field, "") for field in FIELDS}
        changed = [field for field in FIELDS if after[field] != before[field]]
        if not changed:
            return None
        return SettingsRevision.objects.create(**after, changed=changed, author=author, author_name=str(author))


def driver_of(current: Configuration) -> Driver:
    """Return the driver in force; a `MissingDriver` if it is no longer installed."""
    return find_driver(str(current.driver))


def find_driver(key: str) -> Driver:
    """Return the driver with that key, or a `MissingDriver`."""
    try:
        return registry.find_driver(key)
    except ConfigurationError:
        return MissingDriver(key)
