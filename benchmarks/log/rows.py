"""The rows of generated messages: message, index entry, recipients, attempt, content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from benchmarks.log.mails import CONNECTIONS, KINDS, SENDER, UNTRIED, Mail, chunk, texts

BODIES = 200
OUTCOMES = {"sent": "accepted", "failed": "refused", "deferred": "deferred", "uncertain": "uncertain"}
HOST, TLS = "smtp.example.com:587", "TLSv1.3, TLS_AES_256_GCM_SHA384"

NAMES = {
    "sender": [SENDER],
    "template": [template for template, _ in KINDS if template],
    "driver": ["smtp", "log"],
    "connection": list(CONNECTIONS),
}

Row = Sequence[Any]
Tables = list[tuple[str, list[str], list[Row]]]  # table, columns, rows


def body(number: int) -> bytes:
    """Return a message of about 2 kB."""
    text, html = texts(number)
    return (
        f"From: Northwind <{SENDER}>\r\nTo: somebody@example.com\r\n"
        f"Subject: Mail {number}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        f'--b\r\nContent-Type: text/plain; charset="utf-8"\r\n\r\n{text}\r\n'
        f'--b\r\nContent-Type: text/html; charset="utf-8"\r\n\r\n{html}\r\n--b--\r\n'
    ).encode()


class RowBuilder:
    """Generates the rows of a run's messages, with new ids in the order of time."""

    def __init__(self, count: int, *, now: datetime, seed: int, bodies: bool) -> None:
        from django.db import connection

        from maillog.content.storage import pack
        from maillog.labels import label_ids
        from maillog.models import Message

        self.count, self.now, self.seed = count, now, seed
        self.first_id = (Message.objects.order_by("-id").values_list("id", flat=True).first() or 0) + 1
        self.as_time = _sqlite_time if connection.vendor == "sqlite" else _unchanged
        self.labels = {(kind, name): pk for kind, names in NAMES.items() for name, pk in label_ids(kind, names).items()}
        plain = [body(number) for number in range(BODIES)]
        self.sizes = [len(each) for each in plain]
        self.packed = [pack(each) for each in plain] if bodies else []

    def tables(self, first: int) -> Tables:
        """Return the rows, by table, of the chunk of messages that starts with number `first`."""
        from maillog.index.writing import build_entry
        from maillog.models import Attempt, Content, Message, Recipient

        made = chunk(first, self.count, now=self.now, seed=self.seed)
        numbered = [(self.first_id + mail.number, mail) for mail in made]
        found = [
            rows_of(Message, [self._message(pk, mail) for pk, mail in numbered]),
            entries_of([build_entry(self._indexed(pk, mail)) for pk, mail in numbered]),
            rows_of(Recipient, [row for pk, mail in numbered for row in self._recipients(pk, mail)]),
            rows_of(Attempt, [self._attempt(pk, mail) for pk, mail in numbered if mail.status not in UNTRIED]),
        ]
        if self.packed:
            bodies = [{"message_id": pk, "mime": self.packed[mail.number % BODIES]} for pk, mail in numbered]
            found.append(rows_of(Content, bodies))
        return [each for each in found if each[2]]

    def _message(self, pk: int, mail: Mail) -> dict[str, Any]:
        known, as_time = self.labels, self.as_time
        return {
            "id": pk,
            "status": mail.status,
            "subject": mail.subject,
            "to_text": " ".join(mail.to),
            "sender_id": known["sender", SENDER],
            "template_id": known[("template", mail.template)] if mail.template else None,
            "driver_id": known[("driver", mail.driver)] if mail.driver else None,
            "connection_id": known[("connection", mail.connection)] if mail.connection else None,
            "language": "en",
            "tags": mail.tags,
            "actor_name": mail.actor,
            "created_at": as_time(mail.created),
            "finished_at": as_time(mail.finished),
            "next_attempt_at": as_time(mail.due),
            "attempt_count": mail.attempt_count,
            "reason": mail.reason,
            "mode": "background",
            "message_id": f"<{pk}.bench@northwind.example>",
            "size": self.sizes[mail.number % BODIES],
            "is_test": mail.is_test,
            "is_sensitive": mail.is_sensitive,
            "has_attachment": mail.has_attachment,
        }

    def _indexed(self, pk: int, mail: Mail) -> Any:
        from maillog.index.writing import IndexedMessage

        return IndexedMessage(
            id=pk,
            status=mail.status,
            subject=mail.subject,
            to_text=" ".join(mail.to),
            sender=SENDER,
            reason=mail.reason,
            actor_name=mail.actor,
            template_id=self.labels[("template", mail.template)] if mail.template else None,
            tags=mail.tags,
            is_test=mail.is_test,
            is_sensitive=mail.is_sensitive,
            has_attachment=mail.has_attachment,
            driver_id=self.labels[("driver", mail.driver)] if mail.driver else None,
            connection_id=self.labels[("connection", mail.connection)] if mail.connection else None,
        )

    @staticmethod
    def _recipients(pk: int, mail: Mail) -> Iterator[dict[str, Any]]:
        for place, address in enumerate(mail.to):
            yield {
                "message_id": pk,
                "kind": "cc" if place else "to",
                "address": address,
                "search_address": address,
                "outcome": OUTCOMES.get(mail.status, "open"),
                "code": mail.code,
                "enhanced_code": mail.enhanced,
                "reply": mail.reason,
            }

    def _attempt(self, pk: int, mail: Mail) -> dict[str, Any]:
        is_refused = mail.code is not None
        return {
            "message_id": pk,
            "number": mail.attempt_count,
            "started_at": self.as_time(mail.created + timedelta(seconds=1)),
            "duration_ms": 20 + pk % 900,
            "outcome": mail.status if mail.status != "sending" else "uncertain",
            "phase": "rcpt" if is_refused else "content",
            "code": mail.code or 250,
            "enhanced_code": mail.enhanced or "2.0.0",
            "reply": mail.reason or f"250 2.0.0 queued as {pk:X}",
            "driver": mail.driver,
            "connection": mail.connection,
            "host": HOST,
            "tls": TLS,
            "worker": "bench",
        }


def rows_of(model: Any, rows: list[dict[str, Any]]) -> tuple[str, list[str], list[Row]]:
    """Return table, columns and values; columns that `rows` lack get the model's defaults."""
    from django.db import connection

    given = list(rows[0]) if rows else []
    rest = [each for each in model._meta.concrete_fields if each.attname not in given and not each.primary_key]
    same = [each.get_db_prep_save(each.get_default(), connection) for each in rest] if rows else []
    columns = [*(model._meta.get_field(name).column for name in given), *(each.column for each in rest)]
    return model._meta.db_table, columns, [(*row.values(), *same) for row in rows]


def entries_of(entries: Sequence[Any]) -> tuple[str, list[str], list[Row]]:
    """Return entries of the search index in the form that `maillog.index.writing.add` writes."""
    from django.db import connection

    from maillog.index.writing import COLUMNS, TABLE, tsvector_text

    if connection.vendor == "postgresql":
        return TABLE, ["id", "tokens"], [(entry.id, tsvector_text(entry)) for entry in entries]
    return TABLE, ["rowid", *COLUMNS], list(entries)


def _unchanged(moment: datetime | None) -> datetime | None:
    return moment


def _sqlite_time(moment: datetime | None) -> str | None:
    """Return `moment`, in UTC, as Django stores it in SQLite."""
    return None if moment is None else str(moment)[:-6]
