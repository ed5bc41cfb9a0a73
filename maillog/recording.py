"""The door through which the log is written. Everything that changes a row of the log is behind it.

A mail's way: `enqueue` stores it in the caller's transaction; `claim_due` or `claim_these` hands it to one worker, the
attempt already counted; `settle` writes what became of it, if the claim still holds; `release_held` lets the mails go
on that waited for a connection. Until it has ended, people may `cancel` it or ask to `retry_now`.
"""

from maillog.labels import label
from maillog.queue.actions import (
    CANCELLABLE,
    RETRIABLE,
    RETRIED_UNASKED,
    Retried,
    Selection,
    cancel,
    cancel_all,
    newest_id,
    retry_all,
    retry_now,
)
from maillog.queue.claiming import (
    MOST_OCTETS,
    Claimed,
    OpenRecipient,
    anything_due,
    claim_due,
    claim_suspect,
    claim_these,
    recover_expired,
    renew,
)
from maillog.queue.enqueueing import IdempotencyConflictError, NewMessage, NewRecipient, enqueue
from maillog.queue.settling import (
    AttemptRecord,
    HeldKind,
    RecipientOutcome,
    Settlement,
    held_kinds,
    release_held,
    settle,
)

IdempotencyConflict = IdempotencyConflictError

__all__ = [
    "CANCELLABLE",
    "MOST_OCTETS",
    "RETRIABLE",
    "RETRIED_UNASKED",
    "AttemptRecord",
    "Claimed",
    "HeldKind",
    "IdempotencyConflict",
    "NewMessage",
    "NewRecipient",
    "OpenRecipient",
    "RecipientOutcome",
    "Retried",
    "Selection",
    "Settlement",
    "anything_due",
    "cancel",
    "cancel_all",
    "claim_due",
    "claim_suspect",
    "claim_these",
    "enqueue",
    "held_kinds",
    "label",
    "newest_id",
    "recover_expired",
    "release_held",
    "renew",
    "retry_all",
    "retry_now",
    "settle",
]
