"""Makes mails for the tests of the log."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from maillog.models import Incident, IncidentMail, Message
from maillog.outcomes import AttemptRecord, RecipientOutcome, Settlement
from maillog.queue.claimed_messages import ClaimedMessage
from maillog.queue.claiming import claim_by_id
from maillog.queue.enqueueing import MESSAGE_DEFAULTS, NewMessage, NewRecipient, enqueue
from maillog.queue.settling import settle
from maillog.sql import batches

LEASE = timedelta(minutes=5)
MIME = (
    b"From: Shop <shop@example.com>\r\nTo: ann@example.com\r\nSubject: Your invoice\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: text/plain; charset="utf-8"\r\n\r\nHello Ann, here it is.\r\n'
)


def recipient(address: str = "ann@example.com", kind: str = "to", **fields: Any) -> NewRecipient:
    return NewRecipient(**{"kind": kind, "address": address, "shown": address, **fields})


def new_message(*addresses: str, **fields: Any) -> NewMessage:
    return NewMessage(
        **{
            "subject": "Your invoice",
            "sender": "shop@example.com",
            "recipients": [recipient(address) for address in addresses or ("ann@example.com",)],
            "mime": MIME,
            "message_id": "<1@example.com>",
            "mode": "background",
            "due": timezone.now(),
            **fields,
        }
    )


def queued(*addresses: str, **fields: Any) -> int:
    """Store one mail and return its id."""
    return enqueue([new_message(*addresses, **fields)])[0]


def claimed(pk: int) -> ClaimedMessage:
    """Claim one mail."""
    (mail,) = claim_by_id([pk], lease=LEASE, worker="test")
    return mail


def attempt(**fields: Any) -> AttemptRecord:
    return AttemptRecord(
        **{
            "started_at": timezone.now(),
            "duration_ms": 42,
            "outcome": "sent",
            "phase": "content",
            "code": 250,
            "enhanced_code": "2.0.0",
            "reply": "250 2.0.0 queued as 4F1",
            "driver": "smtp",
            "connection": "Relay A",
            "host": "smtp.example.com:587",
            "tls": "TLSv1.3",
            "worker": "test",
            **fields,
        }
    )


def settlement(mail: ClaimedMessage, status: str = "sent", **fields: Any) -> Settlement:
    """Say that all recipients had the same luck as the mail; of a partly sent one the first alone got it."""
    outcomes = {"sent": "accepted", "deferred": "deferred", "uncertain": "uncertain"}
    outcomes |= dict.fromkeys(("failed", "partly_sent"), "refused")
    each = [outcomes.get(status, "open") for _ in mail.recipients]
    if status == "partly_sent":
        each[0] = "accepted"
    return Settlement(
        **{
            "id": mail.id,
            "claim": mail.claim,
            "status": status,
            "driver": "smtp",
            "connection": "Relay A",
            "recipients": [
                RecipientOutcome(id=one.id, outcome=outcome) for one, outcome in zip(mail.recipients, each, strict=True)
            ],
            "attempt": attempt(outcome="partial" if status == "partly_sent" else status),
            "next_attempt_at": timezone.now() + timedelta(minutes=1) if status in {"deferred", "queued"} else None,
            **fields,
        }
    )


def finished(status: str = "sent", *addresses: str, settled: dict[str, Any] | None = None, **fields: Any) -> Message:
    """Store one mail, try it once, and return its row."""
    pk = queued(*addresses, **fields)
    assert settle([settlement(claimed(pk), status, **(settled or {}))]) == {pk}
    return Message.objects.get(pk=pk)


def store_rows(like: Message, changes: Iterable[dict[str, Any]]) -> None:
    """Store rows alone, many at once: each is as that of `like` but for its changes."""
    values = {name: getattr(like, name) for name in MESSAGE_DEFAULTS}
    batches.insert_rows(Message, ({**values, **one} for one in changes), columns=[*values])


def plan_for_an_empty_log() -> None:
    """Let the planner know the tables as they are: empty.

    Analysing an empty table leaves what was known of it before, by an earlier test; a superuser can make PostgreSQL
    forget that, and how many rows it saw on a page. Its autovacuum must not look on its own.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in (name for name in connection.introspection.table_names(cursor) if name.startswith("maillog_")):
                cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("DELETE FROM pg_statistic WHERE starelid::regclass::text LIKE 'maillog_%'")
            cursor.execute("UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE relname LIKE 'maillog_%'")


def make_incident(*, mails: Iterable[int] = (), **fields: Any) -> Incident:
    """Store an incident that is open, about the sign-in of "Relay A", with these mails."""
    now, numbers = timezone.now(), list(mails)
    incident = Incident.objects.create(
        **{
            "connection": "Relay A",
            "kind": "auth",
            "phase": "auth",
            "is_about_connection": True,
            "code": 535,
            "enhanced_code": "5.7.8",
            "reply": "5.7.8 Authentication failed",
            "state": Incident.State.OPEN,
            "mail_count": len(numbers),
            "first_mail": min(numbers, default=None),
            "last_mail": max(numbers, default=None),
            "first_at": now,
            "last_at": now,
            **fields,
        }
    )
    IncidentMail.objects.bulk_create(IncidentMail(incident=incident, mail_number=pk, at=now) for pk in numbers)
    return incident
