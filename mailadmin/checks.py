"""System checks of the mail app. Their ids are permanent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004

from mailadmin.backends import OutboxBackend
from mailadmin.configuration.variables import check_variables, is_declared
from templates_app.library.builtin_checks import builtin_problems


@register(Tags.compatibility)
def email_backend(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn if Django's own messages bypass the outbox."""
    name = f"{OutboxBackend.__module__}.{OutboxBackend.__qualname__}"
    mailers = getattr(settings, "MAILERS", None)  # since Django 6.1, in place of EMAIL_BACKEND
    used = settings.EMAIL_BACKEND if mailers is None else mailers.get("default", {}).get("BACKEND")
    if name == used:
        return []
    line = f'EMAIL_BACKEND = "{name}"' if mailers is None else f'MAILERS = {{"default": {{"BACKEND": "{name}"}}}}'
    return [
        Warning("Messages sent by Django itself bypass the mail log.", hint=f"Set {line}.", id="mailadmin.W001"),
    ]


@register(Tags.compatibility)
def variables(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Stop the start if a variable that a driver or a kind of secret reads cannot be used.

    Raises ImproperlyConfigured, as the settings do for the variables that they read.
    """
    check_variables()
    return []


@register(Tags.compatibility)
def unknown_variables(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn about environment variables that look like a mistyped ``MAIL_*`` name."""
    return [
        Warning(f"{name} is not a known variable.", hint=f"Did you mean {suggestion}?", id="mailadmin.W002")
        for name, suggestion in getattr(settings, "UNKNOWN_MAIL_NAMES", ())
        if not is_declared(name)
    ]


@register(Tags.security)
def loose_files(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn about files with messages, sessions or keys that other users of the machine can read."""
    return [
        Warning(
            f"Other users of this machine can read {path}.",
            hint="It belongs to another user, who has to run: chmod go= " + path,
            id="mailadmin.W003",
        )
        for path in getattr(settings, "LOOSE_FILES", ())
    ]


@register(Tags.templates, deploy=True)
def built_in_templates(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report built-in templates that do not render with their own samples; takes a second, so only with `--deploy`."""
    return [
        Error(
            f"A built-in template does not render: {problem}",
            hint="Reinstall the program's files. Edited templates in the database are not affected.",
            id="mailadmin.E001",
        )
        for problem in builtin_problems()
    ]
