"""Composes Django's own EmailMessage, for the email backend.

Everything that Django takes is taken: empty recipients are left out, texts may be lazy. Checked is what Django does not
check: every address and header, and the finished header block (`mailadmin.outbox.django_mime`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.core.mail import EmailMessage
from django.utils.functional import Promise

from mailadmin.configuration.effective import Configuration
from mailadmin.message.mail import Mail
from mailadmin.outbox import accepting, composing, django_mime, error_reports
from mailadmin.outbox.composing import Composed
from mailadmin.outbox.django_options import options_of
from maillog.queue.enqueueing import NewMessage


def new_message(
    message: EmailMessage, *, configuration: Configuration, default_sender: Callable[[str], str], now: datetime
) -> NewMessage:
    """Return the row for `message`, which is not changed. Raises InvalidMail.

    `default_sender` returns the sender address of the connection for a hint. The message's own Message-ID is kept. A
    From header that differs from `from_email` is kept as well; the envelope sender is then `from_email`, as with
    Django's own backends, or `envelope_sender`, as with Anymail.
    """
    options = options_of(message)
    sender = default_sender(options.connection_hint)
    is_report = error_reports.is_error_report(message)
    if is_report:
        message = error_reports.repaired(message, configuration=configuration, default_sender=sender)
    return accepting.new_message(
        _compose(
            message,
            options,
            configuration=configuration,
            default_sender=sender,
            now=now,
            single_label=True if is_report else None,
        ),
        configuration=configuration,
        language=options.language,
        connection_hint=options.connection_hint,
        tags=options.tags,
        metadata=options.metadata,
        sensitive=options.sensitive,
    )


def _compose(
    message: EmailMessage,
    options: Mail,
    *,
    configuration: Configuration,
    default_sender: str,
    now: datetime,
    single_label: bool | None,
) -> Composed:
    """Return `message` ready to be stored. `single_label` as for `parse_address`."""
    composing.check_stored(options)
    author = composing.sender_of(
        str(message.from_email or ""),
        configuration=configuration,
        default_sender=default_sender,
        single_label=single_label,
    )
    lists = {
        name: composing.addresses(name, _given(getattr(message, name)), single_label=single_label)
        for name in ("to", "cc", "bcc", "reply_to")
    }
    if not lists["reply_to"] and str(configuration.reply_to):
        lists["reply_to"] = composing.addresses("reply_to", [str(configuration.reply_to)])
    leaves_at = composing.due(options.send_at, now=now)
    built = django_mime.build(
        message,
        {"From": (author,), "To": lists["to"], "Cc": lists["cc"], "Reply-To": lists["reply_to"]},
        date=leaves_at if leaves_at > now else None,
    )
    composing.check_size(built.content)
    bounces_to = getattr(message, "envelope_sender", None)
    sender = composing.addresses("envelope_sender", [str(bounces_to)])[0] if bounces_to else author
    return Composed(
        sender=sender,
        recipients=composing.envelope_recipients(lists["to"], lists["cc"], lists["bcc"]),
        subject=built.subject,
        content=built.content,
        message_id=built.message_id,
        needs_smtputf8=built.needs_smtputf8 or any(one.needs_smtputf8 for one in (sender, *lists["bcc"])),
        has_attachment=bool(message.attachments),
        due=leaves_at,
        mode=composing.mode_of(options.mode, leaves_at > now, configuration),
        fingerprint="",
    )


def _given(addresses: Any) -> Any:
    """Return `addresses` without empty ones, lazy texts as texts."""
    if not isinstance(addresses, Iterable) or isinstance(addresses, str | bytes | Promise):
        return addresses
    return [str(one) if isinstance(one, Promise) else one for one in addresses if one]
