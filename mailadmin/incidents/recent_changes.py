"""The last changes before an incident began: of the mail settings and of the connection's secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext

from mailadmin.drivers import registry
from mailadmin.models import SettingsRevision
from secrets_app import vault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maillog.incident_store import FailureGroup

SUSPECT_WITHIN = timedelta(hours=24)  # an older change is not mentioned in the sentence


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `short` is part of a sentence ("revision 17"), `text` stands alone."""

    short: str
    text: str
    by: str
    at: datetime
    details: str = ""


def changes_before(finding: FailureGroup) -> list[dict[str, Any]]:
    """Return the newest settings revision and the newest change of the secret as JSON to be stored."""
    if finding.connection and not finding.connection_key:
        finding.connection_key = connection_id_of(finding.connection)
    found: list[dict[str, Any]] = []
    if revision := SettingsRevision.objects.first():
        found.append(
            {
                "what": "settings",
                "number": revision.pk,
                "changed": list(revision.changed),
                "by": revision.author_name,
                "at": revision.created_at.isoformat(),
            }
        )
    event = vault.last_change(int(finding.connection_key)) if finding.connection_key.isdigit() else None
    if event:
        found.append(
            {
                "what": "secret",
                "action": event.action,
                "name": event.secret_name,
                "changed": list(event.changed),
                "by": event.actor_name,
                "at": event.at.isoformat(),
            }
        )
    return found


def connection_id_of(name: str) -> str:
    """Return the id of the connection with that name, or ""."""
    return next((one.id for one in vault.connections(registry.connection_kinds()) if one.name == name), "")


def changes(kept: Iterable[dict[str, Any]]) -> list[Change]:
    """Return the changes that `changes_before` stored, newest first."""
    return sorted(map(_change, kept), key=lambda one: one.at, reverse=True)


def likely_cause(kept: Iterable[dict[str, Any]], began: datetime) -> Change | None:
    """Return the newest change if it was made within SUSPECT_WITHIN before the incident began."""
    newest = next(iter(changes(kept)), None)
    return newest if newest and began - newest.at <= SUSPECT_WITHIN else None


def _change(one: dict[str, Any]) -> Change:
    who, at = one["by"] or gettext("the system"), datetime.fromisoformat(one["at"])
    if one["what"] == "settings":
        short = gettext("revision %s") % one["number"]
        names = SettingsRevision(changed=one["changed"]).changed_labels
        return Change(short, gettext("Revision %s of the mail settings") % one["number"], who, at, ", ".join(names))
    short = {
        vault.Change.CREATED: gettext("the connection was created"),
        vault.Change.VALUE_REPLACED: gettext("its password was replaced"),
        vault.Change.VALUE_REMOVED: gettext("its password was removed"),
    }.get(one["action"], gettext("its secret was changed"))
    action = vault.Change(one["action"]).label
    return Change(short, gettext("Secret “%(name)s”: %(action)s") % {"name": one["name"], "action": action}, who, at)
