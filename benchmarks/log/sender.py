"""A process that sends while others use the same log: ``python -m benchmarks.log.sender``, see `asking`."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import django

from benchmarks.log import asking

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.drain import parcel  # noqa: E402
from mailadmin.api import Mail, send  # noqa: E402
from maillog.models import Message, Status  # noqa: E402
from maillog.outcomes import AttemptRecord, RecipientOutcome, Settlement  # noqa: E402
from maillog.queue.claiming import claim_by_id  # noqa: E402
from maillog.queue.enqueueing import NewMessage, NewRecipient, enqueue  # noqa: E402
from maillog.queue.settling import settle  # noqa: E402

PAUSE = 0.005  # seconds between two messages of a steady sender
MANY_ERRORS = 20  # errors to print


def send_for(seconds: float, number: int) -> asking.Answer:
    """Send messages one at a time, each in a request's transaction, as fast as possible."""
    text, html = parcel.TEXT, parcel.HTML
    times, errors = [], []
    count = 0
    limit = time.perf_counter() + seconds
    while time.perf_counter() < limit:
        count += 1
        mail = Mail(to=[f"writer{number}.{count}@example.org"], subject=f"Order {count}", text=text, html=html)
        start = time.perf_counter()
        try:
            send(mail)
        except Exception as error:  # noqa: BLE001  (lock timeouts are what this looks for)
            errors.append(f"{type(error).__name__}: {error}")
        else:
            times.append((time.perf_counter() - start) * 1000)
    return {"times": times, "errors": len(errors), "said": sorted(set(errors))[:MANY_ERRORS]}


def newest() -> asking.Answer:
    """Return the id of the newest message."""
    return {"id": Message.objects.order_by("-id").values_list("id", flat=True).first() or 0}


def sent_since(pk: int) -> asking.Answer:
    """Return how many messages after `pk` were sent, and how many there are."""
    mails = Message.objects.filter(id__gt=pk)
    return {"sent": mails.filter(status=Status.SENT).count(), "all": mails.count()}


def steadily(until: str) -> asking.Answer:
    """Send, claim and settle messages one at a time until the file `until` exists. Return the times."""
    times: dict[str, list[float]] = {"send": [], "claim": [], "settle": []}
    errors: list[str] = []
    number = 0
    while not Path(until).exists():
        number += 1
        try:
            one_mail(number, times)
        except Exception as error:  # noqa: BLE001  (see above)
            errors.append(f"{type(error).__name__}: {error}")
        time.sleep(PAUSE)
    connection.close()
    return {"times": times, "errors": len(errors), "said": sorted(set(errors))[:MANY_ERRORS]}


def one_mail(number: int, times: dict[str, list[float]]) -> None:
    address = f"steady{number}@example.org"
    mail = NewMessage(
        subject=f"Invoice {number}",
        sender=parcel.SENDER,
        recipients=[NewRecipient(kind="to", address=address, shown=address)],
        mime=b"x" * 2_000,
        message_id=f"<{number}.{os.getpid()}@example.com>",
        mode="background",
        due=timezone.now() + timedelta(days=1),
    )
    start = time.perf_counter()
    (pk,) = enqueue([mail])
    queued = time.perf_counter()
    (claimed,) = claim_by_id([pk], lease=timedelta(minutes=5), worker="bench")
    taken = time.perf_counter()
    settle(
        [
            Settlement(
                id=pk,
                claim=claimed.claim,
                status="sent",
                driver="smtp",
                connection="Relay A",
                recipients=[RecipientOutcome(id=one.id, outcome="accepted") for one in claimed.recipients],
                attempt=AttemptRecord(
                    started_at=timezone.now(),
                    duration_ms=10,
                    outcome="sent",
                    reply="250 2.0.0 queued",
                    driver="smtp",
                    worker="bench",
                ),
            )
        ]
    )
    ended = time.perf_counter()
    for name, seconds in (("send", queued - start), ("claim", taken - queued), ("settle", ended - taken)):
        times[name].append(seconds * 1000)


if __name__ == "__main__":
    asking.serve({step.__name__: step for step in (send_for, newest, sent_since, steadily)})
