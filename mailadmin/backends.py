"""Django's email backend that stores every message for delivery.

``EMAIL_BACKEND = "mailadmin.backends.OutboxBackend"`` is the only setting, or, since Django 6.1,
``MAILERS = {"default": {"BACKEND": "mailadmin.backends.OutboxBackend"}}``. It takes everything that an `EmailMessage`
can carry (see `mailadmin.outbox.django_email`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import django
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone

from mailadmin.api import default_sender
from mailadmin.configuration import effective
from mailadmin.connections.limitations import StoreCheck
from mailadmin.errors import ConfigurationError, InvalidMail
from mailadmin.outbox import accepting
from mailadmin.outbox.django_email import new_message
from mailadmin.outbox.error_reports import is_error_report
from maillog.queue.enqueueing import NewMessage

logger = logging.getLogger(__name__)

# What fails while an error report is stored may be logged as an error, which makes the next report, and so on.
_reports_under_way: ContextVar[int] = ContextVar("reports_under_way", default=0)


class OutboxBackend(BaseEmailBackend):
    """Raises InvalidMail, with the position of the message, and what the database raises.

    With `fail_silently`, what cannot be stored is logged as a warning with the reason, and the others are stored. Error
    reports (`mailadmin.outbox.error_reports`) never raise where nobody could say so: Django 6.1 calls the mailers of
    MAILERS from its log handler without a way to be silent.
    """

    def __init__(self, fail_silently: bool = False, *, alias: str | None = None, **options: Any) -> None:
        if alias is not None and django.VERSION >= (6, 1):
            options["alias"] = alias  # options that there are not are then refused
        super().__init__(**options)
        self.alias = alias  # in MAILERS
        self.fail_silently = fail_silently

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store all messages, or none unless `fail_silently`, and return how many were stored."""
        messages = [message for message in email_messages if message.recipients()]
        if not messages:
            return 0
        are_reports = all(is_error_report(message) for message in messages)
        if not (self.fail_silently or (are_reports and self.alias)):
            return len(accepting.store(_entries(messages, skip_refused=False)))
        under_way = _reports_under_way.get()
        token = _reports_under_way.set(under_way + are_reports)
        try:
            if not (are_reports and under_way):
                return _store_silently(messages, are_reports=are_reports)
            if under_way == 1:  # a handler that reports warnings, too, comes here again
                logger.warning("An error report was not stored: it is about storing an error report.")
            return 0
        finally:
            _reports_under_way.reset(token)


def _store_silently(messages: Sequence[EmailMessage], *, are_reports: bool) -> int:
    """Store those of `messages` that can be stored and log the reason for the others."""
    try:
        with transaction.atomic():  # the caller's transaction survives an error in here
            return len(accepting.store(_entries(messages, skip_refused=True)))
    except (DatabaseError, ConfigurationError) as error:
        _log_refusal(messages, error)
    except Exception as error:
        if not are_reports:
            raise
        _log_refusal(messages, error)  # logger.error() must never raise
    return 0


def _entries(messages: Sequence[EmailMessage], *, skip_refused: bool) -> list[NewMessage]:
    """Return the rows for `messages`. Raises InvalidMail unless `skip_refused`."""
    current = effective.current()
    now = timezone.localtime()
    limitations = StoreCheck(current)
    entries = []
    for position, message in enumerate(messages):
        try:
            entry = new_message(
                message,
                configuration=current,
                default_sender=lambda hint: default_sender(current, hint=hint, actor=None),
                now=now,
            )
            limitations.check(entry)
            limitations.check_hint(entry)
        except InvalidMail as error:
            if not skip_refused:
                error.position = position
                raise
            _log_refusal([message], error)
        else:
            entries.append(entry)
    return entries


def _log_refusal(messages: Sequence[EmailMessage], error: Exception) -> None:
    logger.warning(
        "%d of Django's messages not stored (fail_silently): %s: %s. Subject of the first: %.200r",
        len(messages),
        type(error).__name__,
        error,
        str(messages[0].subject),
    )
