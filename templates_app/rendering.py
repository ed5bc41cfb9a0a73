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

from templates_app.builtin_files import builtin_documents, is_builtin
from templates_app.compiled_cache import current_cache
from templates_app.content.content import Content
from templates_app.models import Document


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """A rendered message. `subject` is one line; `html` is empty if the template has only plain text.

    `version` is the number of the version that was rendered, or 0 if the built-in file was used because the database
    has no version. `is_sensitive`: the template declares a secret, such as a link to choose a new password.
    """

    key: str
    language: str
    subject: str
    text: str
    html: str = ""
    version: int = 0
    is_sensitive: bool = False


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
        is_sensitive=has_secret(key, compiled.bundle.content),
    )


def has_secret(key: str, content: Content) -> bool:
    """Return whether `content` declares a secret, or the built-in template that it is an edited copy of."""
    if content.has_secret or not is_builtin(key):
        return content.has_secret
    return builtin_documents()[Document.Kind.TEMPLATE.value, key].content.has_secret


def without_django(value: object) -> object:
    """Return lazy text as text and an aware datetime in the current time zone; anything else unchanged."""
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, datetime) and timezone.is_aware(value):
        return timezone.localtime(value)
    return value
