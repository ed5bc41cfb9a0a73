"""Replaces a message that contains a link or a code by a new one: such a message is never resent as it is.

The app that sends such messages registers a function per template key that sends a new one. It must send to the address
that the secret belongs to and to no other, no matter who asks. Templates without such a function are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext

from mailadmin.errors import InvalidMail
from mailadmin.outbox import resending
from maillog import audit_log, resends
from maillog.models import Message
from maillog.retention.deletion import DELETABLE

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

# Takes the original message and returns the id of the new one. Raises NotReissued, InvalidMail.
Reissuer = Callable[[Message], int]

_reissuers: dict[str, Reissuer] = {}


class NotReissued(Exception):
    """No new message was sent; the text says why, for the person who asked."""


def register_reissuer(template: str, reissuer: Reissuer) -> None:
    """Let `reissuer` replace messages created from the template with that key."""
    _reissuers[template] = reissuer


def can_reissue(mail: Message) -> bool:
    """Return whether a new message can replace `mail`."""
    return mail.is_sensitive and mail.template is not None and mail.template.text in _reissuers


def refusal_reason(mail: Message) -> str:
    """Return why `mail` cannot be replaced, or "" if nothing is known to prevent it."""
    if not can_reissue(mail):
        return gettext(resending.SENSITIVE)
    if mail.status not in DELETABLE or mail.next_attempt_at is not None:
        return gettext(resending.NOT_ENDED)
    return ""


def reissue(mail: Message, *, actor: User) -> int:
    """Send a new message in place of `mail`, as the system, and return its id; the audit log says who asked for it.

    Raises NotReissued.
    """
    if reason := refusal_reason(mail):
        raise NotReissued(reason)
    assert mail.template is not None  # noqa: S101  (for the type checker)
    try:
        with transaction.atomic():
            new = _reissuers[mail.template.text](mail)
            resends.record_resend(new, resent_from=mail.pk)
            audit_log.record(audit_log.Action.RESENT, [mail.pk], actor=actor, others={mail.pk: new})
    except InvalidMail as error:
        raise NotReissued(gettext("The new message cannot be created: %s") % error.reason) from error
    return new
