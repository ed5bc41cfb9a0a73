"""What the log says of the template that a mail was made from: its key, version and language, all copied as text.

The log knows no templates: an app that knows both registers where a version is shown. Deleting a template leaves the
log readable, only without the link.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from django.utils.translation import get_language, gettext

from maillog.models import Message

PERMISSION = "templates_app.edit_templates"  # without it nobody gets to the page

_version_url: Callable[[str, int], str] | None = None  # takes a key such as account/welcome and a version number


def register_version_url(version_url: Callable[[str, int], str]) -> None:
    """Let `version_url` find the address of a version's page; it returns "" where there is none."""
    global _version_url
    _version_url = version_url


def version_url(mail: Message) -> str:
    """Return the address of the page of the version that `mail` was made from, "" where there is none (any more)."""
    if _version_url is None or mail.template is None or not mail.template_version:
        return ""
    return _version_url(mail.template.text, mail.template_version)


def version_label(mail: Message) -> str:
    """Return version and language in words: ``version 3, German``; what is not known is left out."""
    return label_of_version(mail.template_version, mail.language) if mail.template_id else ""


def label_of_version(number: int | None, language: str) -> str:
    """Return the number of a version and its language in words; what is not known is left out."""
    return _version_label(number, language, get_language() or "en")


@lru_cache(maxsize=500)
def _version_label(number: int | None, language: str, shown_in: str) -> str:
    version = "" if number is None else gettext("version %d") % number if number else gettext("as delivered")
    return ", ".join(filter(None, [version, language_name(language, shown_in) if language else ""]))


@lru_cache(maxsize=500)
def language_name(code: str, shown_in: str) -> str:
    """Return the name of the language `code` (``de-AT``) in the language `shown_in`, or the code of an unknown one."""
    try:
        return Locale.parse(code, sep="-").get_display_name(shown_in.replace("-", "_")) or code
    except (ValueError, UnknownLocaleError):
        return code
