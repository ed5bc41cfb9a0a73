"""Tells a monitor whether this installation can work: ``/healthz``."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db.models import Count
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mailadmin.delivery.status import DeliveryStatus, delivery_status
from mailadmin.models import ConnectionState

logger = logging.getLogger(__name__)
State = ConnectionState.State


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the database says about delivery: three short queries."""

    pulse: DeliveryStatus
    closed: dict[str, int]  # connections in trouble by state


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200, or 503 with what is wrong in ``problems``. Says nothing that needs a sign-in.

    The problems are ``database`` and ``queue`` (that store does not answer), ``worker`` (mails wait and none was seen
    for a minute) and ``overdue`` (a mail has been due for more than three minutes). A paused or unreachable connection
    is counted but is no problem here: its mails wait as they should, and starting this server anew would not help.
    ``oldest_due_seconds`` is for how long the most overdue mail has been due, ``oldest_waiting_seconds`` how long the
    oldest mail has waited for whatever; null where none does.
    """
    database, delivery = _ask("database", look)
    queue, jobs = _ask("queue", settings.HUEY.pending_count)
    problems = [name for name, answers in (("database", database), ("queue", queue)) if not answers]
    if delivery:
        problems += delivery_problems(delivery.pulse)
    return JsonResponse(
        {
            "status": "trouble" if problems else "ok",
            "problems": problems,
            "database": {"answers": database},
            "queue": {"answers": queue, "jobs": jobs},
            **figures(delivery),
        },
        status=503 if problems else 200,
    )


def look() -> Delivery:
    """Return how delivery is doing."""
    closed = ConnectionState.objects.exclude(state=State.OPEN).order_by()
    return Delivery(delivery_status(), dict(closed.values_list("state").annotate(Count("id"))))


def delivery_problems(now: DeliveryStatus) -> list[str]:
    """Return what keeps mails from leaving."""
    problems = []
    if now.no_worker and now.something_waits:
        problems.append("worker")
    if now.is_late:
        problems.append("overdue")
    return problems


def figures(delivery: Delivery | None) -> dict[str, Any]:
    """Return the numbers for the monitor; null if the database could not be asked."""
    if delivery is None:
        return {"workers": None, "oldest_due_seconds": None, "oldest_waiting_seconds": None, "connections": None}
    workers, waiting = delivery.pulse.workers, delivery.pulse.waiting
    return {
        "workers": {"alive": workers.alive, "seen_seconds_ago": _whole(workers.seen_seconds_ago)},
        "oldest_due_seconds": _whole(waiting.due_seconds),
        "oldest_waiting_seconds": _whole(waiting.oldest_seconds),
        "connections": {
            state.value: delivery.closed.get(state.value, 0) for state in (State.PAUSED, State.UNREACHABLE)
        },
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _ask(name: str, question: Callable[[], Any]) -> tuple[bool, Any]:
    """Return whether the store answered, and its answer. The reason goes to the server's log, not to the asker."""
    try:
        return True, question()
    except Exception as error:  # noqa: BLE001  (every store raises errors of its own library)
        logger.error("healthz: the %s does not answer: %s", name, error)
    return False, None
