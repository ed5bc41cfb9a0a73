"""The base of every kind of secret: a form, registered with `secrets_app.kinds.kind_registry`.

The form makes the pages, the validation and the audit log's labels of its kind. This base offers Keep, Replace and
Remove for a stored value, requires a password to be entered again when its server changes, and never renders a secret.
`secrets_app.storing` writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.text import get_text_list
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from secrets_app.kinds.environment_values import EnvironmentValues, VariableRow, cleaned_variables, read_variable
from secrets_app.kinds.fields import NameField, RevisionField
from secrets_app.models import Secret, name_key
from secrets_app.system_access import may_give_system_access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.forms import BoundField
    from django_stubs_ext import StrOrPromise

    from secrets_app.kinds.preset import Preset
    from secrets_app.models import Person

KEEP, REPLACE, REMOVE = "keep", "replace", "remove"
ENVIRONMENT = "environment"  # id and name of a connection from the environment, or their prefix


class SecretForm(forms.Form):
    """Base class of every kind. A subclass adds its fields and sets the class attributes below.

    The subclass's fields are stored in plain text, except those in `secret_fields`, which are encrypted and write-only.
    A field `sender` is the connection's sender address; `per_second`, `per_minute`, `per_hour` and `per_day` limit its
    rate.
    """

    key: ClassVar[str] = ""  # at most 30 of a-z, 0-9, - and _
    label: ClassVar[StrOrPromise] = ""
    icon: ClassVar[str] = "key-round"
    order: ClassVar[int] = 50  # position in lists, lowest first
    secret_fields: ClassVar[tuple[str, ...]] = ()
    # When one of these fields changes, every secret field must be entered again, so that a stored password is never
    # sent to another server. None: any field.
    reentry_on: ClassVar[tuple[str, ...] | None] = None
    presets: ClassVar[tuple[Preset, ...]] = ()
    sections: ClassVar[tuple[tuple[StrOrPromise, tuple[tuple[str, ...], ...]], ...]] = ()  # title, rows of field names
    defaults: ClassVar[Mapping[str, Any]] = {}  # for fields that a stored secret lacks
    environment_variables: ClassVar[Mapping[str, str]] = {}  # by field; together they define a connection

    name = NameField()
    available_to_system = forms.BooleanField(
        label=_("Available to the system"),
        required=False,
        initial=True,
        help_text=_(
            "The system can send through it, for example password resets, and so can everyone who is allowed to send. "
            "Otherwise, only its owners and the groups it is shared with can use it."
        ),
    )
    revision = RevisionField()

    def __init__(
        self,
        *args: Any,
        secret: Secret | None = None,
        stored: frozenset[str] = frozenset(),
        actor: Person | None = None,
        **kw: Any,
    ) -> None:
        """`secret` is the one to edit (None: a new one), `stored` names the secret fields that have a value.

        `actor` (None: the system) is offered availability to the system only if they may give it.
        """
        self.secret, self.stored, self.outdated = secret, stored, False
        if secret is not None:
            kept = self.initial_values({**self.defaults, **secret.fields})
            kw["initial"] = {"name": secret.name, "revision": secret.revision, **kept, **(kw.get("initial") or {})}
        super().__init__(*args, **kw)
        if secret is not None:
            del self.fields["available_to_system"]  # set in the sharing form from now on
        else:
            del self.fields["revision"]
            if not may_give_system_access(actor):
                del self.fields["available_to_system"]
        for name in sorted(stored):
            self.fields[f"{name}_action"] = forms.ChoiceField(
                label=self.fields[name].label,
                choices=[(KEEP, _("Keep")), (REPLACE, _("Replace")), (REMOVE, _("Remove"))],
                initial=KEEP,
                widget=forms.RadioSelect(attrs={"class": "cards"}),
                help_text=_("A value is stored. It is never shown, not even to you."),
            )
            self.fields[name].label = _("%(label)s (new)") % {"label": self.fields[name].label}

    @classmethod
    def stored_names(cls) -> tuple[str, ...]:
        """Return the names of the fields stored in plain text."""
        return tuple(name for name in cls.base_fields if name not in {*SecretForm.base_fields, *cls.secret_fields})

    @classmethod
    def reentry_causes(cls, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
        """Return the names of the changed fields that require every secret field to be entered again."""
        names = cls.stored_names() if cls.reentry_on is None else cls.reentry_on
        return [name for name in names if name in now and now[name] != before.get(name)]

    @classmethod
    def secret_label(cls) -> str:
        """Return the labels of the secret fields, joined."""
        return get_text_list([str(cls.field_label(name)) for name in cls.secret_fields], gettext("and"))

    @classmethod
    def environment_id(cls) -> str:
        """Return the id of the connection from the environment, which is also its name."""
        return f"{ENVIRONMENT}-{cls.key}"

    @classmethod
    @sensitive_variables()
    def from_environment(cls) -> EnvironmentValues | None:
        """Return the connection that the environment defines, or None if it defines none or an invalid one."""
        values, problems = cleaned_variables(cls.environment_variables, cls.base_fields)
        if problems or not values:
            return None
        usual = {name: cls.base_fields[name].initial for name in cls.stored_names()} | dict(cls.defaults)
        return EnvironmentValues(
            fields={name: values.get(name, default) for name, default in usual.items()},
            secrets={name: values[name] for name in cls.secret_fields if values.get(name)},
        )

    @classmethod
    def environment_problems(cls) -> list[str]:
        """Return the problems of the variables. Each names its variable, none repeats a value."""
        return cleaned_variables(cls.environment_variables, cls.base_fields)[1]

    @classmethod
    def environment_rows(cls, fields: Mapping[str, Any] | None) -> list[VariableRow]:
        """Return the variables as shown to people. `fields` are those of the connection they define, or None."""
        rows = []
        for name, variable in cls.environment_variables.items():
            is_set = bool(read_variable(variable))
            shown = gettext("set") if name in cls.secret_fields and is_set else str((fields or {}).get(name) or "")
            rows.append(VariableRow(variable, shown, is_set))
        return rows

    @classmethod
    def initial_values(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the form's initial values for `stored` fields. Override where the form differs from what is stored."""
        return dict(stored)

    @classmethod
    def summary(cls, stored: Mapping[str, Any]) -> tuple[StrOrPromise, StrOrPromise]:
        """Return the server and how it is secured, a few words each, for lists."""
        return "", ""

    @classmethod
    def facts(cls, stored: Mapping[str, Any]) -> list[tuple[StrOrPromise, StrOrPromise]]:
        """Return label and displayed value of each stored field, for people who may not change the secret."""
        return [(cls.field_label(name), str(stored.get(name, "") or "-")) for name in cls.stored_names()]

    @classmethod
    def field_label(cls, name: str) -> StrOrPromise:
        """Return the label of the field, or its name if it has no label."""
        field = cls.base_fields.get(name)
        return (field.label if field else None) or name

    def clean_name(self) -> str:
        """Raise ValidationError for a name that is taken, reserved, or could be mistaken for a secret's number."""
        name: str = self.cleaned_data["name"]
        if name_key(name).partition("-")[0] == ENVIRONMENT:
            raise ValidationError(_("This name is reserved for connections from the environment. Choose another name."))
        if name.isdigit():
            raise ValidationError(_("A name cannot consist only of digits."))
        others = Secret.objects.filter(name_key=name_key(name))
        if others.exclude(pk=self.secret.pk).exists() if self.secret else others.exists():
            raise ValidationError(_("A secret with this name already exists. Choose another name."), code="taken")
        return name

    def stored_fields(self) -> dict[str, Any]:
        """Return the fields to store in plain text. Override where the form differs from what is stored."""
        return {name: self.cleaned_data[name] for name in self.stored_names()}

    @sensitive_variables()
    def values(self) -> dict[str, str | None]:
        """Return the secret fields to write: a text replaces, None removes, and an absent field is kept."""
        found: dict[str, str | None] = {}
        for name in self.secret_fields:
            action = self.action(name)
            if action == REPLACE and self.cleaned_data.get(name):
                found[name] = self.cleaned_data[name]
            elif action == REMOVE:
                found[name] = None
        return found

    def action(self, name: str) -> str:
        """Return KEEP, REPLACE or REMOVE for a secret field."""
        return str(self.cleaned_data.get(f"{name}_action", KEEP)) if name in self.stored else REPLACE

    @cached_property
    def changed_server(self) -> list[StrOrPromise]:
        """Return the labels of the changed fields that require the password to be entered again."""
        if self.secret is None:
            return []
        before = {**self.defaults, **self.secret.fields}
        return [self.field_label(name) for name in self.reentry_causes(before, self.cleaned_data)]

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Check that Keep, Replace or Remove agrees with what was entered."""
        super().clean()
        for name in self.stored:
            if name not in self.cleaned_data:
                continue
            typed, action = bool(self.cleaned_data[name]), self.action(name)
            if action == REPLACE and not typed:
                self.add_error(name, _("Enter a new value, or choose Keep."))
            elif action != REPLACE and typed:
                self.add_error(name, _("Choose Replace to store this value, or leave the field empty."))
            elif action == KEEP and self.changed_server:
                reason = get_text_list([str(label) for label in self.changed_server], gettext("and"))
                text = _("Enter the password again, because the server changed (%(fields)s).")
                self.add_error(name, ValidationError(text, code="reentry", params={"fields": reason}))
        return self.cleaned_data

    @sensitive_variables()
    def full_clean(self) -> None:
        """Report an edit conflict, and ask again for secrets, which an invalid form does not render."""
        super().full_clean()
        if (
            self.is_bound
            and self.secret
            and self.cleaned_data.get("revision", self.secret.revision) != self.secret.revision
        ):
            self.refuse_outdated()
        for name in self.stored:
            if self.has_error(name, code="reentry"):  # Keep is no longer possible
                self._show_instead({f"{name}_action": REPLACE})
        self._ask_again()

    def _show_instead(self, values: Mapping[str, Any]) -> None:
        """Render `values` instead of what was submitted."""
        self.data = {**{key: self.data.get(key) for key in self.data}, **values}

    def refuse_outdated(self) -> None:
        """Report that the secret was saved since the form was opened. Saving again overwrites it."""
        if self.secret is None:
            return
        self.outdated = True
        self._show_instead({"revision": self.secret.revision})
        last = self.secret.events.first()
        text = _(
            "%(who)s saved this secret in the meantime, so your changes are not stored yet. They are still in the "
            "form, next to what is stored now. Save again to overwrite that."
        )
        self.refuse(None, text % {"who": (last and last.actor_name) or gettext("Someone else")})

    def refuse(self, field: str | None, text: StrOrPromise) -> None:
        """Add an error that was found while storing a valid form."""
        self.add_error(field, ValidationError(text))
        self._ask_again()

    def _ask_again(self) -> None:
        for name in self.secret_fields:
            if self.errors and name not in self.errors and self.data.get(self.add_prefix(name)):
                text = _("Enter it again. It is never sent back to the page.")
                self.add_error(name, ValidationError(text, code="again"))

    def rows(self) -> list[tuple[StrOrPromise, list[tuple[str, list[BoundField]]]]]:
        """Return title and rows of each section. A row is a CSS class and its fields, after its Keep or Replace."""
        result = []
        for title, rows in self.sections or self._default_sections():
            shown = []
            for row in rows:
                names = [n for name in row for n in (f"{name}_action", name) if n in self.fields]
                css = "secret-entry" if any(name in self.stored for name in row) else "form-row"
                shown.append((css, [self[name] for name in names]))
            result.append((title, [entry for entry in shown if entry[1]]))
        return result

    def _default_sections(self) -> tuple[tuple[StrOrPromise, tuple[tuple[str, ...], ...]], ...]:
        names = ("name", *self.stored_names(), *self.secret_fields, "available_to_system")
        return (("", tuple((name,) for name in names)),)

    @property
    def details_open(self) -> bool:
        """Whether the last section, normally collapsed, has an error or a value that is not the default."""
        if not self.sections:
            return False
        names = [name for row in self.sections[-1][1] for name in row if name in self.fields]
        untouched = {name: {str(self.fields[name].initial or ""), "", "None", "False"} for name in names}
        return any(name in self.errors or str(self[name].value()) not in untouched[name] for name in names)
