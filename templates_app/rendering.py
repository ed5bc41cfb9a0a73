"""Renders published templates: `render` turns a key and values into the subject, HTML and text of a message.

Published versions have rendered in the sandbox with all their samples, so this process renders them directly. Drafts
are only ever rendered in the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.functional import Promise

from templates_app.compiled_cache import current_cache


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A rendered message. `subject` is one line; `html` is empty if the template has only plain text.

    `version` is the number of the version that was rendered, or 0 if the built-in file was used because the database
    has no version.
    """

    key: str
    language: str
    subject: str
    text: str
    html: str = ""
    version: int = 0


def render(key: str, values: Mapping[str, object], *, language: str = "") -> RenderedMail:
    """Render the published template `key` (``project/name``) with `values`.

    Renders in `language` or the nearest language that the template has; the result names it. Values are plain data,
    dates or lazy translations. Raises UnknownTemplateError, and TemplateError for missing or mistyped values.
    """
    compiled = current_cache().compiled(key, language)
    rendered = compiled.render({name: without_django(value) for name, value in values.items()})
    return RenderedMail(
        key=key,
        language=rendered.language,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        version=compiled.bundle.version,
    )


def without_django(value: object) -> object:
    """Return lazy text as text and an aware datetime in the current time zone; anything else unchanged."""
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, datetime) and timezone.is_aware(value):
        return timezone.localtime(value)
    return value
