"""The form of the settings page. It validates and shows the source of each value; `effective.save` stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.configuration.effective import FIELDS, Configuration, Value, find_driver
from mailadmin.drivers import registry
from mailadmin.form_fields import AddressField, HeaderTextField
from mailadmin.models import SendMode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailadmin.drivers.base import Driver
    from secrets_app.vault import Connection


class SettingsForm(forms.Form):
    """The mail settings. An empty field sets nothing; a locked field ignores its input."""

    driver = forms.ChoiceField(label=_("Driver"), widget=forms.RadioSelect(attrs={"class": "cards"}))
    mode = forms.ChoiceField(label=_("Sending"), widget=forms.RadioSelect(attrs={"class": "cards"}))
    from_name = HeaderTextField(label=_("From name"), required=False, max_length=200)
    from_address = AddressField(
        label=_("From address"),
        required=False,
        help_text=_("The sender of messages that set no other. Your server must be allowed to send for this address."),
    )
    reply_to = AddressField(
        label=_("Reply-to address"), required=False, help_text=_("Where replies go, if not to the From address.")
    )
    primary_connection = forms.ChoiceField(
        label=_("Primary connection"),
        required=False,
        help_text=_("Used by every message that does not ask for another. Only connections for the system are listed."),
    )
    backup_connections = forms.MultipleChoiceField(
        label=_("Backup connections"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Tried in this order when the chosen connection is paused or unreachable."),
    )
    ask_before_resend = HeaderTextField(
        label=_("Ask before resending"),
        required=False,
        max_length=1000,
        help_text=_(
            "Template keys, separated by spaces. If the server's final reply is lost, a message may have arrived; it "
            "is sent again with the same Message-ID. Messages from these templates wait for a decision instead."
        ),
    )
    revision = forms.IntegerField(required=False, widget=forms.HiddenInput, min_value=1, max_value=2**62)

    def __init__(self, data: Any = None, *, current: Configuration, connections: Sequence[Connection]) -> None:
        super().__init__(data, initial={**initial_values(current), "revision": current.revision})
        self.current, self.connections = current, connections
        names = connection_names(connections)
        self.set_choices("driver", [(driver.key, driver_choice(driver)) for driver in registry.drivers()])
        self.set_choices("mode", SendMode.choices)
        self.set_choices("primary_connection", connection_choices(current, names))
        self.set_choices("backup_connections", list(names.items()))
        for name in FIELDS:
            value, field = current[name], self.fields[name]
            if value.lock:
                field.disabled = True
                field.help_text = value.lock
            elif value.inherited:
                field.widget.attrs["placeholder"] = value.inherited

    def set_choices(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    def clean(self) -> dict[str, Any]:
        """Check that the primary connection is one of the chosen driver. Backups may belong to other drivers."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        primary = next((one for one in self.connections if one.id == data.get("primary_connection")), None)
        driver = find_driver(data.get("driver", ""))
        if primary and driver.needs_connection and primary.kind != driver.kind:
            other = registry.driver_for_kind(primary.kind)
            text = gettext("The driver “%(other)s” uses this connection. Choose that driver, or another connection.")
            self.add_error("primary_connection", text % {"other": other.label})
        return data

    def values(self) -> dict[str, str]:
        """Return the values to save. A driver or mode that equals the inherited one is saved as ""."""
        values = {name: text_of(self.cleaned_data[name]) for name in FIELDS}
        for name in ("driver", "mode"):
            if values[name] == self.current[name].inherited:
                values[name] = ""
        return values

    def sourced_fields(self) -> list[tuple[forms.BoundField, Value]]:
        """Return each field with its value in force, whose source the page shows."""
        return [(self[name], self.current[name]) for name in FIELDS]


def text_of(value: str | list[str]) -> str:
    """Return a cleaned value as stored text; several choices are joined by commas."""
    return value if isinstance(value, str) else ",".join(value)


def initial_values(current: Configuration) -> dict[str, str | list[str]]:
    """Return the initial values: choices in force, and texts that were saved on the page or are locked."""
    shown: dict[str, str | list[str]] = {}
    for name in FIELDS:
        value = current[name]
        chosen = name in {"driver", "mode"} or value.source == "page" or value.lock
        shown[name] = value.value if chosen else ""
    shown["backup_connections"] = [one for one in current.backup_connections.value.split(",") if one]
    return shown


def driver_choice(driver: Driver) -> SafeString:
    return format_html("<span>{} <small>{}</small></span>", driver.label, driver.explanation)


def connection_names(connections: Sequence[Connection]) -> dict[str, str]:
    """Return the names of the connections by id, with their drivers if there are connections of several drivers."""
    drivers = {one.kind: registry.driver_for_kind(one.kind).label for one in connections}
    return {one.id: f"{one.name} ({drivers[one.kind]})" if len(drivers) > 1 else one.name for one in connections}


def connection_choices(current: Configuration, offered: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the choices for the primary connection, including a chosen one that is no longer available."""
    chosen = current.primary_connection.value
    gone = [(chosen, gettext("(no longer available)"))] if chosen and chosen not in offered else []
    return [("", gettext("Automatic: the one from the environment, otherwise the oldest")), *gone, *offered.items()]
