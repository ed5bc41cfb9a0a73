"""What a Django message says beside its content: attributes such as `message.tags`, under the names that Anymail uses.

Those that Mailadmin knows are taken; of the others, each one that is set is refused by name, since a message that
ignores what it was told is worse than an error. `sensitive` need not be set for links of django.contrib.auth and
django-allauth: what they sign is recognized.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.mail import EmailMessage
from django.utils import timezone

from mailadmin.errors import InvalidMail
from mailadmin.message.mail import Mail

TAKEN = ("tags", "metadata", "connection_hint", "language", "mode")
REFUSED = (
    "merge_data",
    "merge_global_data",
    "merge_metadata",
    "merge_headers",
    "template_id",
    "track_opens",
    "track_clicks",
    "esp_extra",
    "idempotency_key",
)
# A link with a token of PasswordResetTokenGenerator (allauth's derives from it) or with a value of signing.dumps (the
# confirmation of an address, the activation of an account). The time is in base 36, in base 62.
TOKEN_LINK = re.compile(
    r"https?://[^\s\"'<>]{0,500}?[/=-]"
    r"(?:[0-9a-z]{6,7}-[0-9a-f]{32}|[\w-]{1,400}(?::|%3A)[0-9A-Za-z]{6}(?::|%3A)[\w-]{43})(?![\w-])"
)
LONGEST_SEARCH = 200_000  # characters of a text


def options_of(message: EmailMessage) -> Mail:
    """Return a `Mail` that has nothing but the attributes of `message` that are taken. Raises InvalidMail."""
    for name in REFUSED:
        if getattr(message, name, None):
            raise InvalidMail(name, "is not supported; leave it out")
    taken = {name: value for name in TAKEN if (value := getattr(message, name, None))}
    sensitive = bool(getattr(message, "sensitive", False)) or holds_token(message)
    return Mail(send_at=_moment(getattr(message, "send_at", None)), sensitive=sensitive, **taken)


def holds_token(message: EmailMessage) -> bool:
    """Return whether a text of `message` has a link that lets whoever follows it in."""
    texts = [message.body, *(content for content, _type in getattr(message, "alternatives", []))]
    return any(TOKEN_LINK.search(str(text)[:LONGEST_SEARCH]) for text in texts)


def _moment(given: Any) -> datetime | None:
    """Return a time as Anymail takes it: aware, naive or a day in the current time zone, or seconds since 1970."""
    if given is None or given == "":
        return None
    try:
        if isinstance(given, bool):
            raise TypeError
        if isinstance(given, int | float):
            return datetime.fromtimestamp(given, UTC)
        if isinstance(given, date) and not isinstance(given, datetime):
            given = datetime.combine(given, time())
        return given if timezone.is_aware(given) else timezone.make_aware(given)
    except (TypeError, ValueError, OverflowError, OSError, AttributeError) as error:
        raise InvalidMail("send_at", "must be a time, a day or seconds since 1970") from error
