"""Test messages: sent like any other message, tagged, and limited per person and minute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from mailadmin import api
from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.diagnosis import marking
from mailadmin.errors import ConfigurationError
from mailadmin.message.mail import Mail
from mailadmin.outbox.accepting import TEST_TAG
from maillog import lookup
from templates_app.library import sample_rendering

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from templates_app.engine.engine import Rendered

TEMPLATE = "mail/test"
MAX_PER_MINUTE = 10  # test messages per person: the test page must not become a way to send spam


class TooManyTestsError(ConfigurationError):
    """The person has sent MAX_PER_MINUTE test messages within a minute."""


def send_test_mail(
    to: str, *, actor: User | None = None, connection_hint: str = "", mode: str | None = None, language: str = ""
) -> int:
    """Send the built-in test message and return its id. Raises InvalidMail, PermissionDenied, TooManyTestsError."""
    check_limit(actor)
    values = {
        "site": urlsplit(settings.BASE_URL).netloc,
        "asked_by": str(actor) if actor else gettext("a command on the server"),
        "connection": connection_name(actor, connection_hint),
        "time": f"{timezone.localtime():%Y-%m-%d %H:%M:%S %Z}",
    }
    return api.send_template(
        TEMPLATE,
        to=[to],
        values=values,
        language=language,
        actor=actor,
        tags=[TEST_TAG],
        connection_hint=connection_hint,
        mode=mode,
    )


def send_from_template(
    to: str,
    *,
    key: str,
    values: Mapping[str, Any],
    language: str = "",
    actor: User | None = None,
    connection_hint: str = "",
    mode: str | None = None,
) -> int:
    """Render the published template `key` with `values`, send it marked as a test, and return its id.

    Raises InvalidMail, PermissionDenied, TooManyTestsError; UnknownTemplateError, TemplateError, NotTriedError.
    """
    marking.check_recipient(to, actor)
    check_limit(actor)
    template = sample_rendering.sampled_template(key)
    if template is not None:
        values = marking.without_secrets(template.content.variables, values)
    rendered = sample_rendering.render_published(key, values, language=language)
    mail = Mail(
        to=[to],
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=rendered.language,
        template=key,
        template_version=rendered.version,
        tags=[TEST_TAG],
        connection_hint=connection_hint,
        mode=mode,
    )
    return api.send(marking.marked(mail, actor), actor=actor)


def send_draft(to: str, *, key: str, rendered: Rendered, actor: User) -> int:
    """Send a rendered draft of the template `key` as a test message, and return its id.

    Raises InvalidMail, PermissionDenied, TooManyTestsError. `rendered` has no real secrets: see `marking`.
    """
    marking.check_recipient(to, actor)
    check_limit(actor)
    mail = Mail(
        to=[to],
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=rendered.language,
        template=key,
        tags=[TEST_TAG],
    )
    return api.send(marking.marked(mail, actor), actor=actor)


def check_limit(actor: User | None) -> None:
    """Raise TooManyTestsError if the person has reached the limit."""
    since = timezone.now() - timedelta(minutes=1)
    if actor is not None and lookup.count_tests_since(since, actor_id=actor.pk) >= MAX_PER_MINUTE:
        message = gettext("You have sent %d test emails in the last minute. Try again shortly.") % MAX_PER_MINUTE
        raise TooManyTestsError(message)


def connection_name(actor: User | None, hint: str) -> str:
    """Return the name of the connection for the message, or a text about the driver if it needs none."""
    current = effective.current()
    if not effective.driver_of(current).needs_connection:
        return gettext("none, the driver is “%s”") % current.driver
    connection = selection.choose(selection.connections(), current, hint=hint, actor=actor)
    return connection.name if connection else gettext("none yet")
