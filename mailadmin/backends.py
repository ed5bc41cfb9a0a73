"""Django's email backend that stores every message for delivery.

``EMAIL_BACKEND = "mailadmin.backends.OutboxBackend"`` is the only setting. It takes
everything that an `EmailMessage` can carry (see `mailadmin.outbox.django_email`).
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from mailadmin.api import default_sender
from mailadmin.configuration import effective
from mailadmin.connections.limitations import StoreCheck
from mailadmin.errors import InvalidMail
from mailadmin.outbox import accepting
from mailadmin.outbox.django_email import compose_django


class OutboxBackend(BaseEmailBackend):
    """Raises InvalidMail unless `fail_silently`."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store all messages, or none, and return how many were stored."""
        current = effective.current()
        now = timezone.now()
        try:
            entries = [
                accepting.new_message(
                    compose_django(
                        message,
                        configuration=current,
                        default_sender=default_sender(current, hint="", actor=None),
                        now=now,
                    ),
                    configuration=current,
                )
                for message in email_messages
                if message.recipients()
            ]
            limitations = StoreCheck(current)
            for entry in entries:
                limitations.check(entry)
        except InvalidMail:
            if self.fail_silently:
                return 0
            raise
        return len(accepting.store(entries))
