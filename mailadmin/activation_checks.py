"""System checks that the project around the mail app provides what it needs. Their ids are permanent.

They import nothing of the apps that may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.urls import NoReverseMatch, reverse

from mailadmin.activation import MAIL_APPS, NEEDED_APPS, TEMPLATE_BUILTINS, TEMPLATE_CONTEXT_PROCESSORS, missing

ADD_APPS = "INSTALLED_APPS = mail_management([...]), from mailadmin.activation"
NEEDED_SETTINGS = {
    "MAIL": "MAIL = read_mail(...), from config.environment.reader",
    "HUEY": "HUEY = open_queue(...), from config.queue",
    "SECRETS_KEYS": "SECRETS_KEYS = (...), Fernet keys of which the first encrypts",
    "BASE_URL": 'BASE_URL = "https://mail.example.com"',
    "WEBHOOK_SECRET": 'WEBHOOK_SECRET = "" (webhooks are not signed)',
}
MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
)
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"


@register(Tags.compatibility)
def apps(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report apps that are not installed, and an order in which Django's form templates hide the mail app's."""
    absent = missing((*MAIL_APPS, *NEEDED_APPS), settings.INSTALLED_APPS)
    if absent:
        return [_error(f"Not installed: {', '.join(absent)}.", ADD_APPS, "mailadmin.E002")]
    order = [app.partition(".apps.")[0] for app in settings.INSTALLED_APPS]
    if order.index("mailadmin.shell") > order.index("django.forms"):
        return [
            _error(
                "mailadmin.shell stands behind django.forms, whose templates it replaces.", ADD_APPS, "mailadmin.E003"
            )
        ]
    return []


@register(Tags.compatibility)
def needed_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report settings and middleware that the mail app reads and the project does not have."""
    found = [
        _error(f"The setting {name} is missing.", hint, "mailadmin.E004")
        for name, hint in NEEDED_SETTINGS.items()
        if not hasattr(settings, name)
    ]
    absent = missing(MIDDLEWARE, settings.MIDDLEWARE)
    if absent:
        found.append(_error("Middleware is missing.", f"Add to MIDDLEWARE: {', '.join(absent)}", "mailadmin.E005"))
    return found


@register(Tags.templates)
def template_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report what Django's template engine and its forms lack to render the pages."""
    engine = next((one.engine for one in engines.all() if isinstance(one, DjangoTemplates)), None)
    if engine is None:
        return [_error("No DjangoTemplates engine is configured.", "Add one to TEMPLATES", "mailadmin.E006")]
    found: list[CheckMessage] = []
    for option, wanted, has in (
        ("builtins", TEMPLATE_BUILTINS, engine.builtins),
        ("context_processors", TEMPLATE_CONTEXT_PROCESSORS, engine.context_processors),
    ):
        absent = [name for name in wanted if name not in has]
        if absent:
            hint = f"Add to the OPTIONS of TEMPLATES, {option}: {', '.join(absent)}"
            found.append(_error(f"Templates lack {option}.", hint, "mailadmin.E006"))
    if settings.FORM_RENDERER != FORM_RENDERER:
        message = "Forms are rendered without the mail app's templates."
        found.append(_error(message, f'FORM_RENDERER = "{FORM_RENDERER}"', "mailadmin.E007"))
    return found


@register(Tags.urls)
def pages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report that no address leads to the pages."""
    if missing(MAIL_APPS, settings.INSTALLED_APPS):
        return []
    try:
        reverse("mailadmin:settings")
    except NoReverseMatch:
        return [
            _error(
                "No address leads to the pages.",
                'path("mail/", include("mailadmin.site")) in the URLconf',
                "mailadmin.E008",
            )
        ]
    return []


def _error(message: str, hint: str, number: str) -> CheckMessage:
    return Error(message, hint=hint, id=number)
