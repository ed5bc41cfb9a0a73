"""What a kind of secret is: one subclass of `SecretForm`, registered in `secrets_app.kinds.kind_registry`.

Its form, its pages and its validation follow from it. Owns Keep / Replace / Remove, the rule that a password is typed
again when its server changes, and that nothing secret goes back into a page. Never writes: `secrets_app.storing` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import cached_property
from django.utils.text import get_text_list
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from secrets_app.environment_values import EnvironmentValues, VariableRow, cleaned_variables, read_variable
from secrets_app.fields import NameField, RevisionField
from secrets_app.models import Secret, name_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.forms import BoundField
    from django_stubs_ext import StrOrPromise

KEEP, REPLACE, REMOVE = "keep", "replace", "remove"
ENVIRONMENT = "environment"  # the id and name of a connection that variables make, or how they begin


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known about one provider: `initial` fills the form, `hint` says what else to do there."""

    key: str
    label: StrOrPromise
    initial: Mapping[str, Any]
    hint: StrOrPromise = ""


class SecretForm(forms.Form):
    """The base of every kind. A subclass adds its fields and the class attributes below.

    Every declared field is stored readable, except `secret_fields` (encrypted, write-only) and the base's own. A field
    `sender` is the connection's sender address; `per_second`, `per_minute`, `per_hour` and `per_day` limit its rate.
    """

    key: ClassVar[str] = ""  # at most 30 of a-z, 0-9, - and _
    label: ClassVar[StrOrPromise] = ""
    icon: ClassVar[str] = "key-round"
    order: ClassVar[int] = 50  # where kinds are listed, lowest first
    secret_fields: ClassVar[tuple[str, ...]] = ()
    # A change of one of these asks for every secret field again; None: of any field, so that no secret leaves for a
    # server that it was not stored for.
    reentry_on: ClassVar[tuple[str, ...] | None] = None
    presets: ClassVar[tuple[Preset, ...]] = ()
    sections: ClassVar[tuple[tuple[StrOrPromise, tuple[tuple[str, ...], ...]], ...]] = ()  # title, rows of field names
    defaults: ClassVar[Mapping[str, Any]] = {}  # stored fields of a secret that says nothing about them
    environment_variables: ClassVar[Mapping[str, str]] = {}  # by field: together they make a connection

    name = NameField()
    available_to_system = forms.BooleanField(
        label=_("Available to the system"),
        required=False,
        initial=True,
        help_text=_(
            "Mail that the system sends, such as password resets, may go through it, and so may the mail of everyone "
            "who is allowed to send. Otherwise only its owners and their groups can use it."
        ),
    )
    revision = RevisionField()

    def __init__(
        self, *args: Any, secret: Secret | None = None, stored: frozenset[str] = frozenset(), **kw: Any
    ) -> None:
        """`secret` is the one to edit (None: a new one), `stored` the secret fields that have a value."""
        self.secret, self.stored, self.outdated = secret, stored, False
        if secret is not None:
            kept = self.initial_values({**self.defaults, **secret.fields})
            kw["initial"] = {"name": secret.name, "revision": secret.revision, **kept, **(kw.get("initial") or {})}
        super().__init__(*args, **kw)
        if secret is not None:
            del self.fields["available_to_system"]  # belongs to the sharing from now on
        else:
            del self.fields["revision"]
        for name in sorted(stored):
            self.fields[f"{name}_action"] = forms.ChoiceField(
                label=self.fields[name].label,
                choices=[(KEEP, _("Keep")), (REPLACE, _("Replace")), (REMOVE, _("Remove"))],
                initial=KEEP,
                widget=forms.RadioSelect(attrs={"class": "cards"}),
                help_text=_("One is stored. It is never shown, not even to you."),
            )
            self.fields[name].label = _("%(label)s (new)") % {"label": self.fields[name].label}

    @classmethod
    def stored_names(cls) -> tuple[str, ...]:
        """Return the names of the fields that are stored readable."""
        return tuple(name for name in cls.base_fields if name not in {*SecretForm.base_fields, *cls.secret_fields})

    @classmethod
    def reentry_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields whose change asks for every secret field again."""
        return cls.stored_names() if cls.reentry_on is None else cls.reentry_on

    @classmethod
    def secret_label(cls) -> str:
        """Return the labels of the secret fields, for lists and facts."""
        return get_text_list([str(cls.field_label(name)) for name in cls.secret_fields], gettext("and"))

    @classmethod
    def environment_id(cls) -> str:
        """Return the id of the connection that variables make, which is its name, too."""
        return f"{ENVIRONMENT}-{cls.key}"

    @classmethod
    @sensitive_variables()
    def from_environment(cls) -> EnvironmentValues | None:
        """Return what the environment sets for a connection, None if it sets none that can be used."""
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
        """Return what is wrong with the variables, each line naming its variable and repeating no value."""
        return cleaned_variables(cls.environment_variables, cls.base_fields)[1]

    @classmethod
    def environment_rows(cls, fields: Mapping[str, Any] | None) -> list[VariableRow]:
        """Return the variables for people. `fields`: of the connection that they make, None if they make none."""
        rows = []
        for name, variable in cls.environment_variables.items():
            is_set = bool(read_variable(variable))
            shown = gettext("set") if name in cls.secret_fields and is_set else str((fields or {}).get(name) or "")
            rows.append(VariableRow(variable, shown, is_set))
        return rows

    @classmethod
    def initial_values(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the form's initial values for `stored` fields; overridden where the two differ."""
        return dict(stored)

    @classmethod
    def summary(cls, stored: Mapping[str, Any]) -> tuple[StrOrPromise, StrOrPromise]:
        """Return where the secret leads and how, each in a few words for lists."""
        return "", ""

    @classmethod
    def facts(cls, stored: Mapping[str, Any]) -> list[tuple[StrOrPromise, StrOrPromise]]:
        """Return label and readable value of each stored field, for those who may see but not change."""
        return [(cls.field_label(name), str(stored.get(name, "") or "-")) for name in cls.stored_names()]

    @classmethod
    def field_label(cls, name: str) -> StrOrPromise:
        """Return the label of the field `name`, or the name itself if there is none."""
        field = cls.base_fields.get(name)
        return (field.label if field else None) or name

    def clean_name(self) -> str:
        """Refuse a name that is taken, reserved, or could be mistaken for a secret's number."""
        name: str = self.cleaned_data["name"]
        if name_key(name).partition("-")[0] == ENVIRONMENT:
            raise ValidationError(_("Names like this belong to connections from the environment. Choose another."))
        if name.isdigit():
            raise ValidationError(_("A name of digits only would be mistaken for a number. Add a word."))
        others = Secret.objects.filter(name_key=name_key(name))
        if others.exclude(pk=self.secret.pk).exists() if self.secret else others.exists():
            raise ValidationError(_("There is a secret of this name already. Choose another."), code="taken")
        return name

    def stored_fields(self) -> dict[str, Any]:
        """Return what is stored readable, from the cleaned data; overridden where the form asks differently."""
        return {name: self.cleaned_data[name] for name in self.stored_names()}

    @sensitive_variables()
    def values(self) -> dict[str, str | None]:
        """Return the secret fields to write: a text replaces, None removes, an absent field is kept."""
        found: dict[str, str | None] = {}
        for name in self.secret_fields:
            action = self.action(name)
            if action == REPLACE and self.cleaned_data.get(name):
                found[name] = self.cleaned_data[name]
            elif action == REMOVE:
                found[name] = None
        return found

    def action(self, name: str) -> str:
        """Return what is to happen with the secret field `name`."""
        return str(self.cleaned_data.get(f"{name}_action", KEEP)) if name in self.stored else REPLACE

    @cached_property
    def changed_server(self) -> list[StrOrPromise]:
        """Return the labels of the fields, now different from what is stored, that ask for the password again."""
        if self.secret is None:
            return []
        before, now = {**self.defaults, **self.secret.fields}, self.cleaned_data
        return [
            self.field_label(name) for name in self.reentry_fields() if name in now and now[name] != before.get(name)
        ]

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Check Keep / Replace / Remove against what was typed."""
        super().clean()
        for name in self.stored:
            if name not in self.cleaned_data:
                continue
            typed, action = bool(self.cleaned_data[name]), self.action(name)
            if action == REPLACE and not typed:
                self.add_error(name, _("Type the new one, or choose Keep."))
            elif action != REPLACE and typed:
                self.add_error(name, _("Choose Replace to store what you typed here, or leave this field empty."))
            elif action == KEEP and self.changed_server:
                reason = get_text_list([str(label) for label in self.changed_server], gettext("and"))
                text = _("Type the password again, because the server changed (%(fields)s).")
                self.add_error(name, ValidationError(text, code="reentry", params={"fields": reason}))
        return self.cleaned_data

    @sensitive_variables()
    def full_clean(self) -> None:
        """Tell of a meanwhile save, and of what has to be typed once more because a failed form does not repeat it."""
        super().full_clean()
        if (
            self.is_bound
            and self.secret
            and self.cleaned_data.get("revision", self.secret.revision) != self.secret.revision
        ):
            self.refuse_outdated()
        for name in self.stored:
            if self.has_error(name, code="reentry"):  # Keep cannot be meant any more
                self._show_instead({f"{name}_action": REPLACE})
        self._ask_again()

    def _show_instead(self, values: Mapping[str, Any]) -> None:
        """Let the page show `values` in place of what was sent."""
        self.data = {**{key: self.data.get(key) for key in self.data}, **values}

    def refuse_outdated(self) -> None:
        """Say that somebody saved in the meantime; the form goes back with what was typed and the new revision."""
        if self.secret is None:
            return
        self.outdated = True
        self._show_instead({"revision": self.secret.revision})
        last = self.secret.events.first()
        text = _(
            "%(who)s saved this secret in the meantime, so nothing of yours was stored yet. What you typed is still "
            "here, and beside it what is stored now. Save again to overwrite that."
        )
        self.refuse(None, text % {"who": (last and last.actor_name) or gettext("Somebody else")})

    def refuse(self, field: str | None, text: StrOrPromise) -> None:
        """Add an error that was found while writing, after the form itself had been valid."""
        self.add_error(field, ValidationError(text))
        self._ask_again()

    def _ask_again(self) -> None:
        for name in self.secret_fields:
            if self.errors and name not in self.errors and self.data.get(self.add_prefix(name)):
                text = _("Type it again: it is never sent back to the page.")
                self.add_error(name, ValidationError(text, code="again"))

    def rows(self) -> list[tuple[StrOrPromise, list[tuple[str, list[BoundField]]]]]:
        """Return the sections with their rows, each a class and fields; a choice of action precedes its field."""
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
        """Whether the last section, folded away at first, has something in it that should be seen."""
        if not self.sections:
            return False
        names = [name for row in self.sections[-1][1] for name in row if name in self.fields]
        untouched = {name: {str(self.fields[name].initial or ""), "", "None", "False"} for name in names}
        return any(name in self.errors or str(self[name].value()) not in untouched[name] for name in names)
