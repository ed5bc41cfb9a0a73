"""Issues a fresh mail in place of one that holds a link or a code: such a mail is never sent again as it was.

Whoever makes such mails registers, by the key of their template, a function that makes a new one. It must send to the
address that the secret belongs to and to no other, whoever asks. Templates that nobody has registered are refused.
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

Reissuer = Callable[
    [Message], int
]  # takes the old mail, returns the number of the new one. Raises NotIssued, InvalidMail

_reissuers: dict[str, Reissuer] = {}


class NotReissued(Exception):
    """There is no new mail; the text says why, for whoever asked."""


def register_reissuer(template: str, issuer: Reissuer) -> None:
    """Let `issuer` make the new mails in place of those made from `template`."""
    _reissuers[template] = issuer


def can_reissue(mail: Message) -> bool:
    """Tell whether a fresh mail can take the place of `mail`."""
    return mail.is_sensitive and mail.template is not None and mail.template.text in _reissuers


def refusal_reason(mail: Message) -> str:
    """Return the sentence that says why no fresh mail can be asked for, "" if nothing is known to be in the way."""
    if not can_reissue(mail):
        return gettext(resending.SENSITIVE)
    if mail.status not in DELETABLE or mail.next_attempt_at is not None:
        return gettext(resending.NOT_ENDED)
    return ""


def reissue(mail: Message, *, actor: User) -> int:
    """Send a fresh mail in place of `mail`, as the system, and return its number; the trail says who asked for it.

    Raises NotIssued.
    """
    if hindrance := refusal_reason(mail):
        raise NotReissued(hindrance)
    assert mail.template is not None  # noqa: S101  (for the type checker)
    try:
        with transaction.atomic():
            new = _reissuers[mail.template.text](mail)
            resends.record_resend(new, resent_from=mail.pk)
            audit_log.record(audit_log.Action.RESENT, [mail.pk], actor=actor, others={mail.pk: new})
    except InvalidMail as error:
        raise NotReissued(gettext("The new mail cannot be made: %s") % error.reason) from error
    return new
