"""Realistic messages, generated from a seed: 94 % sent, names and addresses repeat, subjects do not.

Imports only the standard library, because the peer's script, in its own environment, generates the same messages.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

DAYS = 90
CHUNK = 10_000  # messages that are generated and written together
SENDER = "hello@northwind.example"
# fmt: off
FIRST = [
    "anna", "ben", "chloe", "david", "emma", "fatima", "george", "hannah", "ivan", "julia",
    "kai", "lena", "maria", "noah", "olga", "paul", "quinn", "rosa", "sven", "tara",
]
LAST = [
    "garcia", "novak", "larsen", "martin", "zahra", "brown", "keller", "rossi",
    "tanaka", "silva", "nguyen", "kowalski", "meyer", "haddad", "okafor", "lindqvist",
]
WORDS = [
    "please", "find", "your", "order", "report", "team", "account", "invoice", "payment", "thank", "you", "for",
    "choosing", "northwind", "this", "month", "next",
]
# fmt: on
DOMAINS = ("example.com", "mail.example.net", "customer.example", "example.org", "corp.example", "uni.example")
PEOPLE = (
    "",
    "",
    "",
    "",
    "",
    "",
    "mona@northwind.example",
    "otto@northwind.example",
)  # the account that sent it; mostly the system
TAGS = ("", "", "", "", "", "", "bulk", "bulk campaign/7")
KINDS = (
    ("billing/invoice", "Your invoice {n} is ready"),
    ("account/password_reset", "Reset your password"),
    ("account/registration_confirmation", "Confirm your email address"),
    ("account/welcome", "Welcome to Northwind, {name}"),
    ("reports/weekly", "Weekly report, week {n}"),
    ("platform/post_failed", "Your post “{name}” could not be published"),
    ("platform/quota_warning", "You have used 90 % of your quota"),
    ("", "Order {n}: your parcel is on its way"),
)
SENSITIVE = frozenset({"account/password_reset"})
CONNECTIONS = ("Relay A", "Relay B", "environment")
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
SHARES = (
    ("sent", 0.940),
    ("failed", 0.030),
    ("deferred", 0.008),
    ("uncertain", 0.002),
    ("logged", 0.015),
)  # the rest: skipped
UNTRIED = frozenset({"queued", "held", "skipped"})
WAITING = frozenset({"queued", "sending", "deferred", "held"})
FRESH = timedelta(minutes=30)  # half of the messages younger than this are waiting
DEFERRED_AT_MOST = timedelta(days=2)


class Mail(NamedTuple):
    """A message and its result. `due`: the time of the next attempt; `code`: of a refusal."""

    number: int
    status: str
    subject: str
    to: tuple[str, ...]
    template: str
    driver: str
    connection: str
    tags: str
    actor: str
    created: datetime
    finished: datetime | None
    due: datetime | None
    attempt_count: int
    code: int | None
    enhanced: str
    reason: str
    is_test: bool
    is_sensitive: bool
    has_attachment: bool


def mails(count: int, *, now: datetime, seed: int = 1) -> Iterator[Mail]:
    """Yield `count` messages of the last 90 days, oldest first; the same for the same arguments."""
    for first in range(0, count, CHUNK):
        yield from chunk(first, count, now=now, seed=seed)


def chunk(first: int, count: int, *, now: datetime, seed: int = 1) -> Iterator[Mail]:
    """Yield the chunk of the `count` messages that starts with number `first`, independently of the other chunks."""
    chance = random.Random(seed * 1_000_003 + first)
    draw = chance.random
    step = timedelta(days=DAYS) / max(count, 1)
    beginning = now - timedelta(days=DAYS)
    put_off, fresh = now - DEFERRED_AT_MOST, now - FRESH

    def one_of(things):
        return things[int(draw() * len(things))]

    for number in range(first, min(first + CHUNK, count)):
        created = beginning + step * (number + 1)
        name = one_of(FIRST)
        template, subject = one_of(KINDS)
        status = _status(draw())
        if created > fresh and draw() < 0.5:
            status = one_of(("queued", "sending", "held"))
        elif status == "deferred" and created < put_off:
            status = "sent"
        tried = status not in UNTRIED
        code, enhanced, reason = None, "", ""
        if status in {"failed", "deferred"}:
            code, enhanced, words = one_of(REFUSALS if status == "failed" else DELAYS)
            reason = f"{code} {enhanced} {words}"
        elif status == "skipped":
            reason = "Not on the list of allowed recipients."
        to: tuple[str, ...] = (f"{name}.{one_of(LAST)}{number % 4_000}@{one_of(DOMAINS)}",)
        if draw() < 0.02:
            to = (*to, f"team.{one_of(LAST)}@{one_of(DOMAINS)}")
        yield Mail(
            number,
            status,
            subject.format(n=number, name=name.title()) if "{" in subject else subject,
            to,
            template,
            ("log" if status == "logged" else "smtp") if tried else "",
            one_of(CONNECTIONS) if tried and status != "logged" else "",
            one_of(TAGS),
            one_of(PEOPLE),
            created,
            None if status in WAITING else created + timedelta(seconds=draw() * 3),
            now + timedelta(minutes=1 + draw() * 60) if status in WAITING and status != "held" else None,
            (1 + int(draw() * 5) if code else 1) if tried else 0,
            code,
            enhanced,
            reason,
            draw() < 0.001,
            template in SENSITIVE,
            template == "billing/invoice",
        )


def _status(drawn: float) -> str:
    for status, share in SHARES:
        drawn -= share
        if drawn < 0:
            return status
    return "skipped"


def texts(number: int) -> tuple[str, str]:
    """Return plain text and HTML of about a kilobyte each, in two hundred variants."""
    chance = random.Random(number % 200)
    text = "\r\n".join(" ".join(chance.choices(WORDS, k=12)) for _ in range(12))
    return text, f"<html><body><h1>Northwind</h1><p>{text}</p></body></html>"
