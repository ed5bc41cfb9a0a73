"""What had been changed last before an incident began: the settings and the connection's secret, as far as is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext

from mailadmin.models import SettingsRevision
from secrets_app import vault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maillog.incident_store import FailureGroup

SUSPECT_WITHIN = timedelta(hours=24)  # a change that is older is not named in the sentence


@dataclass(frozen=True, slots=True)
class Change:
    """One change as it is told: `short` goes into a sentence ("revision 17"), `text` stands alone."""

    short: str
    text: str
    by: str
    at: datetime
    details: str = ""


def changes_before(finding: FailureGroup) -> list[dict[str, Any]]:
    """Return what to keep of the newest settings and the newest change of the secret; names as text."""
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
    """Return the id of the connection of that name, or ""."""
    return next((one.id for one in vault.connections() if one.name == name), "")


def changes(kept: Iterable[dict[str, Any]]) -> list[Change]:
    """Return what `before` kept in words, newest first."""
    return sorted(map(_change, kept), key=lambda one: one.at, reverse=True)


def likely_cause(kept: Iterable[dict[str, Any]], began: datetime) -> Change | None:
    """Return the newest change, if it was made shortly enough before an incident to be named with it."""
    newest = next(iter(changes(kept)), None)
    return newest if newest and began - newest.at <= SUSPECT_WITHIN else None


def _change(one: dict[str, Any]) -> Change:
    who, at = one["by"] or gettext("the system"), datetime.fromisoformat(one["at"])
    if one["what"] == "settings":
        short = gettext("revision %s") % one["number"]
        names = SettingsRevision(changed=one["changed"]).changed_labels
        return Change(short, gettext("Revision %s of the mail settings") % one["number"], who, at, ", ".join(names))
    short = {
        vault.Change.CREATED: gettext("the connection was made"),
        vault.Change.VALUE_REPLACED: gettext("its password was replaced"),
        vault.Change.VALUE_REMOVED: gettext("its password was removed"),
    }.get(one["action"], gettext("its secret was changed"))
    action = vault.Change(one["action"]).label
    return Change(short, gettext("Secret “%(name)s”: %(action)s") % {"name": one["name"], "action": action}, who, at)
