"""The template that a message was made from: key, version and language, copied as text, with a link if there is one.

The log knows no templates: an app that knows both registers the URL of a version. Without the template, the log is
still readable and only lacks the link.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language, gettext

from maillog.models import Message

PERMISSION = "templates_app.edit_templates"  # needed to open the page

_version_url: Callable[[str, int], str] | None = None  # takes a key such as account/welcome and a version number


def register_version_url(version_url: Callable[[str, int], str]) -> None:
    """Let `version_url` return the URL of a version's page, "" if there is none."""
    global _version_url
    _version_url = version_url


def version_url(mail: Message) -> str:
    """Return the URL of the version that `mail` was made from, "" if there is none (any more)."""
    if _version_url is None or mail.template is None or not mail.template_version:
        return ""
    return _version_url(mail.template.text, mail.template_version)


def version_label(mail: Message) -> str:
    """Return such as "version 3, German"; unknown parts are omitted."""
    return label_of_version(mail.template_version, mail.language) if mail.template_id else ""


def label_of_version(number: int | None, language: str) -> str:
    """Return such as "version 3, German"; unknown parts are omitted. Version 0 is the built-in text."""
    return _version_label(number, language, get_language() or "en")


@lru_cache(maxsize=500)
def _version_label(number: int | None, language: str, shown_in: str) -> str:
    version = "" if number is None else gettext("version %d") % number if number else gettext("built-in")
    return ", ".join(filter(None, [version, language_name(language, shown_in) if language else ""]))


@lru_cache(maxsize=500)
def language_name(code: str, shown_in: str) -> str:
    """Return the name of the language `code` (``de-AT``) in the language `shown_in`, or `code` if it is unknown."""
    try:
        return Locale.parse(code, sep="-").get_display_name(shown_in.replace("-", "_")) or code
    except (ValueError, UnknownLocaleError):
        return code
