"""The audit log of secrets as readable lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from secrets_app.kinds.kind_registry import kinds
from secrets_app.models import SecretEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

Action = SecretEvent.Action
TONES = {Action.CREATED: "good", Action.DELETED: "bad", Action.VALUE_REMOVED: "warn", Action.SHARED: "info"}


@dataclass(frozen=True, slots=True)
class Line:
    """One event, as shown to people."""

    event: SecretEvent
    action: str
    tone: str
    who: str
    changes: tuple[str, ...]


def lines(events: Iterable[SecretEvent]) -> list[Line]:
    """Describe the events, in their order."""
    labels = {"available_to_system": _("Available to the system")}
    for form in kinds():
        labels |= {name: str(form.field_label(name)) for name in ("name", *form.stored_names(), *form.secret_fields)}
    return [
        Line(
            event=event,
            action=event.get_action_display(),
            tone=TONES.get(Action(event.action), "muted"),
            who=event.actor_name or _("the system"),
            changes=tuple(_change(text, labels) for text in event.changed),
        )
        for event in events
    ]


def _change(text: str, labels: dict[str, str]) -> str:
    """Describe one entry of `SecretEvent.changed`."""
    field, _space, rest = text.partition(" ")
    sign, who = rest[:1], rest[1:]
    if field == "owners":
        return (_("owner added: %s") if sign == "+" else _("owner removed: %s")) % who
    if field == "groups":
        return (_("group added: %s") if sign == "+" else _("group removed: %s")) % who
    if field == "available_to_system" and sign:
        return _("available to the system") if sign == "+" else _("no longer available to the system")
    return labels.get(field, field)
