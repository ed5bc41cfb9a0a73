"""Stores composed messages in the caller's transaction, and has them delivered after the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from mailadmin.delivery import deliver
from mailadmin.delivery.wakeup import wake_worker
from mailadmin.errors import InvalidMail
from mailadmin.models import SendMode
from maillog.models import Status
from maillog.queue import enqueueing
from maillog.queue.enqueueing import NewMessage

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from mailadmin.configuration.effective import Configuration
    from mailadmin.outbox.composing import Composed

# The caller's process delivers an instant message within this time; if that process dies, the worker takes over.
INSTANT_GRACE = timedelta(minutes=1)
TEST_TAG = "test"


def new_message(
    composed: Composed,
    *,
    configuration: Configuration,
    actor: User | None = None,
    template: str = "",
    template_version: int | None = None,
    language: str = "",
    connection_hint: str = "",
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    sensitive: bool = False,
    idempotency_key: str = "",
) -> NewMessage:
    """Return the row for `composed`, already skipped if the rules leave no recipient."""
    skipped = [recipient.skipped for recipient in composed.recipients if recipient.skipped]
    is_skipped = len(skipped) == len(composed.recipients)
    instant = composed.mode == SendMode.INSTANT
    return NewMessage(
        subject=composed.subject,
        sender=composed.sender.addr_spec,
        recipients=composed.recipients,
        mime=composed.content,
        message_id=composed.message_id,
        mode=composed.mode,
        due=composed.due + INSTANT_GRACE if instant else composed.due,
        template=template,
        template_version=template_version,
        language=language,
        actor=actor,
        connection_hint=connection_hint,
        tags=tuple(tags),
        metadata=dict(metadata or {}),
        is_test=TEST_TAG in tags,
        is_sensitive=sensitive,
        has_attachment=composed.has_attachment,
        needs_smtputf8=composed.needs_smtputf8,
        idempotency_key=idempotency_key,
        fingerprint=composed.fingerprint,
        settings_revision=configuration.revision,
        status=Status.SKIPPED if is_skipped else Status.QUEUED,
        reason=skipped[0] if is_skipped else "",
    )


def store(messages: Sequence[NewMessage]) -> list[int]:
    """Store `messages` and return their ids, in order.

    After the commit, this process delivers the instant messages, and a worker is woken for the others. A rollback
    leaves nothing. Raises InvalidMail for an idempotency key that belongs to another message.
    """
    try:
        ids = enqueueing.enqueue(messages)
    except enqueueing.IdempotencyConflictError as error:
        refused = InvalidMail("idempotency_key", "was used before, for another message")
        refused.position = max(place for place, one in enumerate(messages) if one.idempotency_key == error.key)
        raise refused from error
    instant = [number for number, message in zip(ids, messages, strict=True) if message.mode == SendMode.INSTANT]
    if instant:
        transaction.on_commit(lambda: deliver.deliver_these(instant), robust=True)
    if len(instant) < len(ids):
        transaction.on_commit(wake_worker, robust=True)
    return ids
