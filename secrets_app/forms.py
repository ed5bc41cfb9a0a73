"""The sharing form of a secret. The form of the secret itself is its kind (`secrets_app.kinds`)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from secrets_app.kinds.fields import RevisionField
from secrets_app.models import Person, Secret
from secrets_app.system_access import may_give_system_access

MAX_KEY_LENGTH = 18  # digits; always fits into 64 bits


class PickedField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Rows of a queryset, as checkboxes."""

    widget = forms.CheckboxSelectMultiple

    def clean(self, value: Any) -> Any:
        """Return the rows. Raises ValidationError for unknown keys, and for numbers too large for the database."""
        for key in value if isinstance(value, (list, tuple)) else ():
            if len(str(key)) > MAX_KEY_LENGTH:
                raise ValidationError(self.error_messages["invalid_pk_value"], params={"pk": str(key)[:20]})
        return super().clean(value)


class SharingForm(forms.Form):
    """Owners, groups and availability to the system, as `actor` may set them."""

    prefix = "sharing"

    revision = RevisionField()
    owners = PickedField(
        label=_("Owners"),
        queryset=get_user_model().objects.none(),
        required=False,
        help_text=_("Can change, share and delete it. There is always at least one owner."),
    )
    new_owner = forms.CharField(
        label=_("Add an owner"),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off", "placeholder": "ann@example.com"}),
        help_text=_("The whole email address of their account."),
    )
    groups = PickedField(
        label=_("Groups"),
        queryset=Group.objects.none(),
        required=False,
        help_text=_("Members can see it, without its password, and send through it."),
    )
    available_to_system = forms.BooleanField(
        label=_("Available to the system"),
        required=False,
        help_text=_("For email that the system sends, and for everyone who is allowed to send."),
    )

    def __init__(self, data: Any = None, *, secret: Secret, actor: Person) -> None:
        """`actor` may add active accounts, and groups of their own (administrators: any group)."""
        initial = {
            "revision": secret.revision,
            "owners": secret.owners.all(),
            "groups": secret.groups.all(),
            "available_to_system": secret.available_to_system,
        }
        super().__init__(data, initial=initial)
        self.secret = secret
        accounts = get_user_model().objects.order_by("email")
        self.fields["owners"].queryset = accounts.filter(owned_secrets=secret)  # type: ignore[attr-defined]
        if not may_give_system_access(actor):
            self.fields["available_to_system"].disabled = True
            self.fields["available_to_system"].help_text = _("Only people who may configure mail can change this.")
        groups = secret.shareable_groups(actor)
        self.fields["groups"].queryset = groups  # type: ignore[attr-defined]
        if not groups.exists():
            self.fields["groups"].help_text = _("You are not in any group to share it with.")

    def clean_new_owner(self) -> Person | None:
        """Return the account with this address, found only by all of it: the page lists nobody's address."""
        address = self.cleaned_data["new_owner"]
        if not address:
            return None
        accounts = get_user_model()
        found = accounts.objects.filter(**{f"{accounts.get_email_field_name()}__iexact": address, "is_active": True})
        person: Person | None = found.first()
        if person is None:
            raise ValidationError(_("No active account has this address."), code="unknown")
        return person

    def clean(self) -> dict[str, Any]:
        """Require an owner who can sign in, and refuse an outdated form."""
        super().clean()
        data = self.cleaned_data
        if "owners" in data and "new_owner" in data:
            added = [data["new_owner"]] if data["new_owner"] and data["new_owner"] not in data["owners"] else []
            kept = [*data["owners"], *added]
            removed = len(data["owners"]) < self.secret.owners.count()
            if not kept or (removed and not any(owner.is_active for owner in kept)):
                message = _("The last owner cannot be removed. Add another owner first.")
                self.add_error("owners", ValidationError(message, code="last_owner"))
            data["owners"] = kept
        if data.get("revision", self.secret.revision) != self.secret.revision:
            self.refuse_outdated()
        return data

    def refuse_outdated(self) -> None:
        """Report that the secret was saved since the form was opened; saving again overwrites it."""
        self.data = self.data.copy()  # type: ignore[attr-defined]
        self.data[self.add_prefix("revision")] = str(self.secret.revision)  # type: ignore[index]
        text = _(
            "Someone else saved this secret in the meantime. Your changes are still here. Check them and save again."
        )
        self.add_error(None, ValidationError(text, code="outdated"))
