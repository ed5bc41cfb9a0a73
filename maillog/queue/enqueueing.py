"""Stores new messages in bulk, in the caller's transaction: a rollback leaves nothing, a commit promises to send."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, connections, router, transaction
from django.utils import timezone

from maillog import suppressions
from maillog.content.storage import pack
from maillog.index import writing
from maillog.labels import label_ids
from maillog.models import FINAL, Content, Label, Message, Recipient, Status, Suppression
from maillog.sql.inserts import DependentRows, insert_with_dependents
from maillog.statistics import rollups
from maillog.text import fit

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

BATCH = 500  # messages in one statement at most ...
BATCH_OCTETS = 32 * 1024 * 1024  # ... and octets of their MIME: PostgreSQL takes up to 1 GB, and contents as hex
MAX_VERSION = 32_767  # the largest small integer on every database
OPEN, SKIPPED = Recipient.Outcome.OPEN.value, Recipient.Outcome.SKIPPED.value
RECIPIENT_COLUMNS = ("kind", "address", "search_address", "outcome", "code", "enhanced_code", "reply")
CONTENT_COLUMNS = ("mime", "metadata")
MESSAGE_DEFAULTS = {  # every column of a new row except the id
    field.attname: field.get_default() for field in Message._meta.concrete_fields if not field.primary_key
}
MESSAGE_COLUMNS = tuple(MESSAGE_DEFAULTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecipient:
    """One recipient of a new message. `shown` is the readable spelling; `skipped` the reason to skip it, if any."""

    kind: str
    address: str
    shown: str
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A new message, composed and checked. `status` is queued, held, or a final one with a `reason`."""

    subject: str
    sender: str
    recipients: Sequence[NewRecipient]
    mime: bytes = field(repr=False)
    message_id: str
    mode: str
    due: datetime
    template: str = ""
    template_version: int | None = None
    language: str = ""
    actor: AbstractBaseUser | None = None
    connection_hint: str = ""
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_test: bool = False
    is_sensitive: bool = False
    has_attachment: bool = False
    needs_smtputf8: bool = False
    idempotency_key: str = ""
    fingerprint: str = ""
    settings_revision: int | None = None
    resent_from: int | None = None  # the id of the message that this one resends
    status: str = Status.QUEUED
    reason: str = ""


class IdempotencyConflictError(Exception):
    """The idempotency `key` was used for another message, `existing_id`."""

    def __init__(self, key: str, existing_id: int) -> None:
        super().__init__(f"The idempotency key was used for another message (number {existing_id}).")
        self.key = key
        self.existing_id = existing_id


def enqueue(messages: Sequence[NewMessage]) -> list[int]:
    """Store `messages` and return their ids, in order.

    Suppressed recipients are skipped; a message without any other recipient is stored as skipped, with the reason.
    A known idempotency key with the same fingerprint gives the id of the existing message. Raises
    IdempotencyConflictError, and stores nothing, if a key was used with another fingerprint.
    """
    messages = skip_suppressed(messages)
    if not any(message.idempotency_key for message in messages):
        with _transaction(messages):
            return _insert(messages, {})
    with transaction.atomic():
        while True:
            known = _find_keys(messages)
            try:
                with transaction.atomic():
                    return _insert(messages, known)
            except IntegrityError:
                # Another transaction committed one of our keys between the lookup and the insert. It is visible now, so
                # the next round finds it. Any other error is not about keys.
                if _find_keys(messages) == known:
                    raise


def _transaction(messages: Sequence[NewMessage]) -> AbstractContextManager[None]:
    """Return the transaction in which `messages` are inserted.

    On PostgreSQL one batch is one statement, which is a transaction of its own: that saves two round trips of six.
    """
    connection = connections[router.db_for_write(Message)]
    is_one_statement = (
        connection.vendor == "postgresql"
        and len([*_batches(messages)]) == 1
        and not any(message.status in FINAL for message in messages)  # they are counted in the statistics
    )
    # Within the caller's transaction, a savepoint keeps it usable if the statement fails.
    return nullcontext() if is_one_statement and not connection.in_atomic_block else transaction.atomic()


def skip_suppressed(messages: Sequence[NewMessage]) -> list[NewMessage]:
    """Return `messages` with suppressed recipients marked as skipped: one query for all of them.

    A message without any other recipient is skipped as a whole.
    """
    addresses = (one.shown.lower() for message in messages for one in message.recipients if not one.skipped)
    found = suppressions.find_suppressed(addresses)
    return [_without_suppressed(message, found) for message in messages] if found else list(messages)


def _without_suppressed(message: NewMessage, found: Mapping[str, Suppression]) -> NewMessage:
    hits = [found[key] for one in message.recipients if not one.skipped and (key := one.shown.lower()) in found]
    if not hits:
        return message
    recipients = [
        replace(one, skipped=suppressions.describe(found[one.shown.lower()]))
        if not one.skipped and one.shown.lower() in found
        else one
        for one in message.recipients
    ]
    if any(not one.skipped for one in recipients):
        return replace(message, recipients=recipients)
    return replace(message, recipients=recipients, status=Status.SKIPPED, reason=suppressions.describe(hits[0]))


def _find_keys(messages: Sequence[NewMessage]) -> dict[str, int]:
    """Return the ids of stored messages by those keys of `messages` they have. Raises IdempotencyConflictError."""
    prints: dict[str, str] = {}
    known: dict[str, int] = {}
    for message in messages:
        key = message.idempotency_key
        if key and prints.setdefault(key, message.fingerprint) != message.fingerprint:
            raise IdempotencyConflictError(key, 0)
    keys = list(prints)
    for start in range(0, len(keys), BATCH):
        rows = Message.objects.filter(idempotency_key__in=keys[start : start + BATCH])
        for pk, stored, fingerprint in rows.values_list("id", "idempotency_key", "fingerprint"):
            key = str(stored)
            if fingerprint != prints[key]:
                raise IdempotencyConflictError(key, pk)
            known[key] = pk
    return known


def _insert(messages: Sequence[NewMessage], known: dict[str, int]) -> list[int]:
    """Insert those of `messages` whose key is not among `known`, and return the ids of all."""
    fresh: list[NewMessage] = []
    seen = set(known)
    for message in messages:
        if not message.idempotency_key or message.idempotency_key not in seen:
            fresh.append(message)
            seen.add(message.idempotency_key)
    numbers = [number for batch in _batches(fresh) for number in _insert_batch(batch)]
    pairs = list(zip(fresh, numbers, strict=True))
    rollups.record_ended(number for message, number in pairs if message.status in FINAL)
    ids = dict(known)
    ids.update((message.idempotency_key, number) for message, number in pairs if message.idempotency_key)
    plain = (number for message, number in pairs if not message.idempotency_key)
    return [ids[message.idempotency_key] if message.idempotency_key else next(plain) for message in messages]


def _batches(messages: Iterable[NewMessage]) -> Iterator[list[NewMessage]]:
    """Yield `messages` in batches that a statement can hold."""
    batch: list[NewMessage] = []
    size = 0
    for message in messages:
        if batch and (len(batch) == BATCH or size + len(message.mime) > BATCH_OCTETS):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += len(message.mime)
    if batch:
        yield batch


def _insert_batch(messages: Sequence[NewMessage]) -> list[int]:
    """Insert `messages` with index entries, recipients and contents, and return their ids."""
    senders = label_ids(Label.Kind.SENDER, {message.sender for message in messages})
    templates = label_ids(Label.Kind.TEMPLATE, {message.template for message in messages if message.template})
    now = timezone.now()
    rows = [_message_row(message, senders, templates, now) for message in messages]
    entries = [_indexed_message(*each) for each in zip(range(len(rows)), rows, messages, strict=True)]
    recipients = [
        (position, _recipient_row(recipient))
        for position, message in enumerate(messages)
        for recipient in message.recipients
    ]
    contents = [
        (position, {"mime": pack(message.mime), "metadata": dict(message.metadata)})
        for position, message in enumerate(messages)
        if not (message.is_sensitive and message.status in FINAL)
    ]
    return insert_with_dependents(
        Message,
        rows,
        columns=MESSAGE_COLUMNS,
        dependents=[
            writing.NewEntries(entries),
            DependentRows(Recipient, recipients, key="message_id", columns=RECIPIENT_COLUMNS),
            DependentRows(Content, contents, key="message_id", columns=CONTENT_COLUMNS),
        ],
    )


def _message_row(
    message: NewMessage, senders: dict[str, int], templates: dict[str, int], now: datetime
) -> dict[str, Any]:
    final = message.status in FINAL
    return {
        **MESSAGE_DEFAULTS,
        "status": str(message.status),
        "subject": fit(message.subject, 998),
        "to_text": " ".join(recipient.shown.lower() for recipient in message.recipients),
        "sender_id": senders[fit(message.sender, 254)],
        "template_id": templates[fit(message.template, 254)] if message.template else None,
        "template_version": version_number(message.template_version),
        "language": fit(message.language, 10),
        "tags": " ".join(message.tags),
        "actor_id": message.actor.pk if message.actor else None,
        "actor_name": fit(str(message.actor), 254) if message.actor else "",
        "created_at": now,
        "finished_at": now if final else None,
        "next_attempt_at": message.due if message.status == Status.QUEUED else None,
        "reason": fit(message.reason, 500),
        "mode": str(message.mode),
        "connection_hint": fit(message.connection_hint, 100),
        "message_id": message.message_id,
        "idempotency_key": message.idempotency_key or None,
        "fingerprint": message.fingerprint,
        "size": len(message.mime),
        "is_test": message.is_test,
        "is_sensitive": message.is_sensitive,
        "has_attachment": message.has_attachment,
        "needs_smtputf8": message.needs_smtputf8,
        "settings_revision": message.settings_revision,
        "resent_from": message.resent_from,
    }


def _indexed_message(position: int, row: dict[str, Any], message: NewMessage) -> writing.IndexedMessage:
    return writing.IndexedMessage(
        id=position,
        sender=message.sender,
        **{name: row[name] for name in writing.IndexedMessage._fields if name in row},
    )


def version_number(version: int | None) -> int | None:
    """Return `version` if the column can hold it, else None."""
    return version if version is not None and 0 <= version <= MAX_VERSION else None


def _recipient_row(recipient: NewRecipient) -> dict[str, Any]:
    return {
        "kind": str(recipient.kind),
        "address": recipient.address,
        "search_address": recipient.shown.lower(),
        "outcome": SKIPPED if recipient.skipped else OPEN,
        "code": None,
        "enhanced_code": "",
        "reply": fit(recipient.skipped, 500),
    }
