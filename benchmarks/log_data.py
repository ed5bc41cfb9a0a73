"""Fills the log with mails of realistic shape: 94 % sent, bodies of 2 kB apart, names and addresses that repeat.

``python -m benchmarks.log_data 20000`` fills the database that the settings name, to look at the pages.
"""

from __future__ import annotations

import os
import random
import sys
from datetime import datetime, timedelta
from typing import Any

import django

CHUNK = 5_000
DAYS = 90

FIRST = [
    "anna",
    "ben",
    "chloe",
    "david",
    "emma",
    "fatima",
    "george",
    "hannah",
    "ivan",
    "julia",
    "kai",
    "lena",
    "maria",
    "noah",
    "olga",
    "paul",
    "quinn",
    "rosa",
    "sven",
    "tara",
]
LAST = [
    "garcia",
    "novak",
    "larsen",
    "martin",
    "zahra",
    "brown",
    "keller",
    "rossi",
    "tanaka",
    "silva",
    "nguyen",
    "kowalski",
    "meyer",
    "haddad",
    "okafor",
    "lindqvist",
]
DOMAINS = ("example.com", "mail.example.net", "customer.example", "example.org", "corp.example", "uni.example")
KINDS = (
    ("billing/invoice", "Your invoice {n} is ready"),
    ("account/password_reset", "Reset your password"),
    ("account/registration_confirmation", "Confirm your e-mail address"),
    ("account/welcome", "Welcome to Northwind, {name}"),
    ("reports/weekly", "Weekly report, week {n}"),
    ("platform/post_failed", "Your post “{name}” could not be published"),
    ("platform/quota_warning", "You have used 90 % of your quota"),
    ("", "Order {n}: your parcel is on its way"),
)
REFUSALS = (
    (550, "5.1.1", "no such user here"),
    (550, "5.7.1", "message rejected as spam"),
    (552, "5.2.2", "mailbox is full"),
    (554, "5.7.5", "DMARC policy of the sender's domain forbids this"),
)
DELAYS = (
    (421, "4.7.0", "try again later"),
    (451, "4.7.1", "greylisted, come back in five minutes"),
    (452, "4.2.2", "mailbox is over quota"),
)
WORDS = [
    "please",
    "find",
    "your",
    "order",
    "report",
    "team",
    "account",
    "invoice",
    "payment",
    "thank",
    "you",
    "for",
    "choosing",
    "northwind",
    "this",
    "month",
    "next",
]


def body(chance: random.Random, number: int) -> bytes:
    """Return a mail of about 2 kB."""
    text = "\r\n".join(" ".join(chance.choices(WORDS, k=12)) for _ in range(12))
    html = f"<html><body><h1>Northwind</h1><p>{text}</p></body></html>"
    return (
        "From: Northwind <hello@northwind.example>\r\nTo: somebody@example.com\r\n"
        f"Subject: Mail {number}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        f'--b\r\nContent-Type: text/plain; charset="utf-8"\r\n\r\n{text}\r\n'
        f'--b\r\nContent-Type: text/html; charset="utf-8"\r\n\r\n{html}\r\n--b--\r\n'
    ).encode()


def fill(count: int, *, now: datetime, seed: int = 1) -> None:
    """Insert `count` mails of the last 90 days, oldest first, with their recipients, attempts and contents."""
    from django.db import transaction

    from maillog import indexing
    from maillog.bulk import insert_returning_ids, insert_rows
    from maillog.content import pack
    from maillog.labels import labels
    from maillog.models import Attempt, Content, Message, Recipient, Status
    from maillog.queueing import MESSAGE_DEFAULTS, RECIPIENT_COLUMNS
    from maillog.settling import ATTEMPT_VALUES

    chance = random.Random(seed)
    bodies = [body(chance, number) for number in range(200)]
    packed = [pack(one) for one in bodies]
    templates = labels("template", [kind for kind, _ in KINDS if kind])
    drivers = labels("driver", ["smtp", "log"])
    connections = labels("connection", ["Relay A", "Relay B", "environment"])
    sender = labels("sender", ["hello@northwind.example"])["hello@northwind.example"]
    statuses = [Status.SENT, Status.FAILED, Status.DEFERRED, Status.UNCERTAIN, Status.LOGGED, Status.SKIPPED]
    weights = [940, 30, 8, 2, 15, 5]
    step = timedelta(days=DAYS) / max(count, 1)
    beginning = now - timedelta(days=DAYS)

    def message(number: int) -> dict[str, Any]:
        name = chance.choice(FIRST)
        template, subject = chance.choice(KINDS)
        created = beginning + step * (number + 1)
        status = chance.choices(statuses, weights)[0]
        recent = now - created < timedelta(minutes=30)
        if recent and chance.random() < 0.5:
            status = chance.choice([Status.QUEUED, Status.SENDING, Status.HELD])
        if status == Status.DEFERRED and now - created > timedelta(days=2):
            status = Status.SENT
        code, enhanced, words = chance.choice(DELAYS if status == Status.DEFERRED else REFUSALS)
        troubled = status in {Status.FAILED, Status.DEFERRED}
        tried = status not in {Status.QUEUED, Status.SKIPPED, Status.HELD}
        waits = status in {Status.QUEUED, Status.SENDING, Status.DEFERRED}
        return MESSAGE_DEFAULTS | {
            "status": str(status),
            "subject": subject.format(n=number, name=name.title()),
            "to_text": f"{name}.{chance.choice(LAST)}{number % 4_000}@{chance.choice(DOMAINS)}",
            "sender_id": sender,
            "template_id": templates.get(template),
            "driver_id": drivers["log" if status == Status.LOGGED else "smtp"] if tried else None,
            "connection_id": connections[chance.choice(list(connections))]
            if tried and status != Status.LOGGED
            else None,
            "language": "en",
            "created_at": created,
            "finished_at": None if waits or status == Status.HELD else created + timedelta(seconds=chance.random() * 3),
            "next_attempt_at": now + timedelta(minutes=chance.randint(1, 60)) if waits else None,
            "tries": chance.randint(1, 5) if troubled else int(tried),
            "reason": f"{code} {enhanced} {words}" if troubled else "",
            "mode": "background",
            "message_id": f"<{number}.{seed}@northwind.example>",
            "size": len(bodies[number % len(bodies)]),
        }

    outcomes = {Status.SENT.value: "accepted", Status.FAILED.value: "refused", Status.DEFERRED.value: "deferred"}
    for start in range(0, count, CHUNK):
        with transaction.atomic():
            rows = [message(number) for number in range(start, min(start + CHUNK, count))]
            pairs = list(zip(insert_returning_ids(Message, rows, columns=list(MESSAGE_DEFAULTS)), rows, strict=True))
            names = [name for name in indexing.Indexed._fields if name in MESSAGE_DEFAULTS]
            indexing.add(
                indexing.Indexed(id=pk, sender="hello@northwind.example", **{name: row[name] for name in names})
                for pk, row in pairs
            )
            insert_rows(
                Recipient,
                (
                    {
                        "message_id": pk,
                        "kind": "to",
                        "address": row["to_text"],
                        "search_address": row["to_text"],
                        "outcome": outcomes.get(row["status"], "open"),
                        "code": None,
                        "enhanced_code": "",
                        "reply": row["reason"],
                    }
                    for pk, row in pairs
                ),
                columns=RECIPIENT_COLUMNS,
            )
            insert_rows(
                Content,
                ({"message_id": pk, "mime": packed[pk % len(packed)], "metadata": {}} for pk, _ in pairs),
                columns=["message_id", "mime", "metadata"],
            )
            insert_rows(
                Attempt,
                (
                    {
                        "message_id": pk,
                        "number": row["tries"],
                        "started_at": row["created_at"] + timedelta(seconds=1),
                        "duration_ms": chance.randint(20, 900),
                        "outcome": row["status"],
                        "phase": "content" if row["status"] == Status.SENT else "rcpt",
                        "code": None,
                        "enhanced_code": "",
                        "reply": row["reason"] or f"250 2.0.0 queued as {pk:X}",
                        "driver": "smtp",
                        "connection": "Relay A",
                        "host": "smtp.example.com:587",
                        "tls": "TLSv1.3, TLS_AES_256_GCM_SHA384",
                        "worker": "bench",
                    }
                    for pk, row in pairs
                    if row["status"] in outcomes
                ),
                columns=ATTEMPT_VALUES,
            )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.utils import timezone

    from maillog import recounting

    fill(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000, now=timezone.now())
    recounting.rebuild()  # the overview shows what the log's sums say
