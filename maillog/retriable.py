"""Which messages can be retried: those that wait; failed and partly sent ones with a recipient left and content."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from maillog.models import FAILURES, Content, Recipient, Status

WAITING = (Status.QUEUED, Status.DEFERRED, Status.HELD, Status.UNCERTAIN)
OPEN_OUTCOMES = (Recipient.Outcome.OPEN, Recipient.Outcome.DEFERRED, Recipient.Outcome.UNCERTAIN)


def is_retriable() -> Q:
    """Return the condition on `Message`."""
    open_recipient = Recipient.objects.filter(message_id=OuterRef("pk"), outcome__in=OPEN_OUTCOMES)
    content = Content.objects.filter(message_id=OuterRef("pk"))
    return Q(status__in=WAITING) | (Q(status__in=FAILURES) & Exists(open_recipient) & Exists(content))
