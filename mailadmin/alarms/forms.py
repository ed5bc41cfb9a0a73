"""The form for the rules of incidents and alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from mailadmin.alarms import webhook
from mailadmin.message.addresses import AddressError, parse_address
from mailadmin.models import AlarmRules
from secrets_app.vault import Connection

MAX_ADDRESSES = 20


class AlarmForm(forms.ModelForm):  # type: ignore[type-arg]  # Django has no generic forms at run time
    """When an incident opens, and who is notified how."""

    connection = forms.ChoiceField(
        label=_("Connection for alarm emails"),
        required=False,
        help_text=_("Never the failing one: then the next working connection is used, backups first."),
    )

    class Meta:
        model = AlarmRules
        fields = ("addresses", "connection", "webhook_url", "remind_hours", "threshold", "minutes")
        labels = {
            "addresses": _("Notify by email"),
            "webhook_url": _("Webhook"),
            "remind_hours": _("Reminder after hours"),
            "threshold": _("Failed messages that open an incident"),
            "minutes": _("Within minutes"),
        }
        help_texts = {
            "addresses": _("One address per line; leave empty to notify nobody by email."),
            "webhook_url": _("Receives a JSON POST for each alarm. Use https, or http within your own network."),
            "remind_hours": _("Sent once if an incident is still open; 0: never."),
            "threshold": _(
                "With the same failure on one connection. A failure of a connection itself opens one at once."
            ),
            "minutes": _("An incident ends automatically after this time without such a failure."),
        }
        widgets = {
            "addresses": forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
            "webhook_url": forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://"}),
        }

    def __init__(self, data: Any = None, *, instance: AlarmRules, connections: Sequence[Connection]) -> None:
        super().__init__(data, instance=instance)
        offered = [(one.id, one.name) for one in connections]
        chosen = instance.connection
        if chosen and chosen not in dict(offered):
            offered.insert(0, (chosen, gettext("(no longer available)")))
        field = self.fields["connection"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", gettext("The first that works: backups, then the others")), *offered]

    def clean_addresses(self) -> str:
        """Return the addresses, one per line. Raises ValidationError naming the first invalid one."""
        found = []
        for text in self.cleaned_data["addresses"].replace(",", " ").split():
            try:
                found.append(parse_address(text).addr_spec)
            except AddressError as error:
                message = gettext("“%(address)s” %(problem)s.") % {"address": text[:100], "problem": error}
                raise forms.ValidationError(message, code="address") from error
        if len(found) > MAX_ADDRESSES:
            raise forms.ValidationError(gettext("At most %d addresses.") % MAX_ADDRESSES, code="many")
        return "\n".join(dict.fromkeys(found))

    def clean_webhook_url(self) -> str:
        """Return the URL. Raises ValidationError if it can never be called; the worker checks where it resolves to."""
        url: str = self.cleaned_data["webhook_url"].strip()
        if url:
            try:
                webhook.parse(url)
            except webhook.WebhookRefused as error:
                raise forms.ValidationError(str(error), code="webhook") from error
        return url
