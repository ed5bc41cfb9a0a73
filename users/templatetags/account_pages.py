"""Template filters of the account pages: labels for allauth's forms, and names of browsers."""

from __future__ import annotations

from django import template
from django.forms import BaseForm
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from users.devices import names_in

register = template.Library()

LABELS = {
    "login": gettext_lazy("Email address"),
    "email": gettext_lazy("Email address"),
    "password": gettext_lazy("Password"),
    "oldpassword": gettext_lazy("Current password"),
    "password1": gettext_lazy("New password"),
    "password2": gettext_lazy("New password again"),
    "code": gettext_lazy("Code"),
}


@register.filter
def plain(form: BaseForm) -> BaseForm:
    """Return allauth's `form` with our labels and without placeholders that repeat them.

    The first field gets the focus, unless there are errors: they get it.
    """
    for number, (name, field) in enumerate(form.fields.items()):
        form[name].label = LABELS.get(name, form[name].label)
        field.widget.attrs.pop("placeholder", None)
        if name == "code":
            field.widget.attrs["inputmode"] = "numeric"
        if number == 0 and not form.is_bound:
            field.widget.attrs["autofocus"] = True
    return form


@register.filter
def browser(user_agent: str) -> str:
    """Return the names of browser and system in the header `user_agent`, or the beginning of the header."""
    name, system = names_in(user_agent)
    if name and system:
        return _("%(browser)s on %(system)s") % {"browser": name, "system": system}
    return name or user_agent[:60] or _("Unknown browser")
