"""``/healthz`` tells a monitor whether this installation works."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.web import degradation
from mailadmin.delivery.status import DeliveryStatus, delivery_status
from mailadmin.models import ConnectionState

logger = logging.getLogger(__name__)
State = ConnectionState.State


@dataclass(frozen=True, slots=True)
class Delivery:
    """The state of delivery according to the database: about ten short queries."""

    status: DeliveryStatus
    closed: Mapping[str, int]  # connections in trouble by state
    degraded: dict[str, str]


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200, or 503 with what is wrong in ``problems``. Contains nothing that requires a sign-in.

    The problems are ``database`` and ``queue`` (that store does not respond), ``worker`` (messages are waiting and no
    worker has reported for a minute) and ``overdue`` (a message has been due for more than three minutes). A paused or
    unreachable connection is counted but is not a problem here: its messages wait as intended, and restarting this
    server would not help. What restarting would not help with either, but keeps messages from being sent or stored, is
    in ``degraded``, by a key and with a sentence: ``keys``, ``connection`` (of the system's messages), ``driver``,
    ``disk``; the status is then ``degraded``, and still 200. ``oldest_due_seconds`` tells how long the most overdue
    message has been due, ``oldest_waiting_seconds`` how long the oldest message has been waiting for any reason; null
    if there is none.
    """
    database, delivery = _ask("database", look)
    queue, jobs = _ask("queue", settings.HUEY.pending_count)
    problems = [name for name, answers in (("database", database), ("queue", queue)) if not answers]
    if delivery:
        problems += delivery_problems(delivery.status)
    degraded = delivery.degraded if delivery else {}
    return JsonResponse(
        {
            "status": "trouble" if problems else "degraded" if degraded else "ok",
            "problems": problems,
            "degraded": degraded,
            "database": {"answers": database},
            "queue": {"answers": queue, "jobs": jobs},
            **figures(delivery),
        },
        status=503 if problems else 200,
    )


def look() -> Delivery:
    closed = dict(ConnectionState.objects.exclude(state=State.OPEN).values_list("connection", "state"))
    status = delivery_status()
    degraded = degradation.reasons(has_waiting=status.has_waiting, closed=closed)
    return Delivery(status, Counter(closed.values()), degraded)


def delivery_problems(now: DeliveryStatus) -> list[str]:
    """Return the problems that keep messages from being sent."""
    problems = []
    if now.no_worker and now.has_waiting:
        problems.append("worker")
    if now.is_late:
        problems.append("overdue")
    return problems


def figures(delivery: Delivery | None) -> dict[str, Any]:
    """Return the numbers for the monitor; null if the database did not respond."""
    if delivery is None:
        return {"workers": None, "oldest_due_seconds": None, "oldest_waiting_seconds": None, "connections": None}
    workers, waiting = delivery.status.workers, delivery.status.waiting
    return {
        "workers": {"alive": workers.alive, "seen_seconds_ago": _whole(workers.seen_seconds_ago)},
        "oldest_due_seconds": _whole(waiting.due_seconds),
        "oldest_waiting_seconds": _whole(waiting.oldest_seconds),
        "connections": {
            state.value: delivery.closed.get(state.value, 0)
            for state in (State.PAUSED, State.UNREACHABLE, State.RESTING)
        },
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _ask(name: str, question: Callable[[], Any]) -> tuple[bool, Any]:
    """Return whether the store responded, and its response. The reason goes to the server's log, not to the client."""
    try:
        return True, question()
    except Exception as error:  # noqa: BLE001  (every store raises errors of its own library)
        logger.error("healthz: the %s does not respond: %s", name, error)
    return False, None
