"""What a Django project needs for the mail app to work in it.

``INSTALLED_APPS = mail_management([...])`` in the settings adds the apps; `mailadmin.activation_checks` reports what
else is missing, with the line to add.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MAIL_APPS = ("mailadmin", "mailadmin.shell", "secrets_app", "templates_app", "maillog")
NEEDED_APPS = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",  # {% setvar %} of the base template
    "django_ace",
    "django_htmx",
    "lucide",
    "huey.contrib.djhuey",
)
# For the OPTIONS of Django's template engine.
TEMPLATE_BUILTINS = (
    "django.templatetags.i18n",
    "django.templatetags.static",
    "mailadmin.shell.icons",
    "mailadmin.shell.navigation",
    "mailadmin.shell.status_chip",
)
TEMPLATE_CONTEXT_PROCESSORS = (
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
    "mailadmin.context_processors.mail",
)


def mail_management(apps: Iterable[str]) -> list[str]:
    """Return the installed apps `apps` with all that the mail app needs, each once, the given ones in their order.

    The mail apps come before Django's own, whose form templates `mailadmin.shell` replaces; what they need comes last.
    Calling it again, or listing some of the apps already, changes nothing.
    """
    listed = list(dict.fromkeys(apps))
    first = next((place for place, app in enumerate(listed) if app.startswith("django.")), len(listed))
    listed[first:first] = missing(MAIL_APPS, listed)
    return listed + missing(NEEDED_APPS, listed)


def missing(wanted: Sequence[str], listed: Iterable[str]) -> list[str]:
    """Return those of `wanted` that `listed` names neither as an app nor by its configuration class."""
    named = {app.partition(".apps.")[0] for app in listed}
    return [app for app in wanted if app not in named]
