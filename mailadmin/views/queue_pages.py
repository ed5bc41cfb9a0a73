"""The queue page: what is waiting and why, and the state of connections and workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from mailadmin.configuration import effective
from mailadmin.operations import control
from mailadmin.operations.queue_filter import QueueFilter
from maillog.durations import age
from maillog.models import Message, Status
from maillog.queue.actions import CANCELLABLE, Selection
from maillog.queue.waiting import QueuePage, queue_page, waiting_counts
from maillog.requests import SignedInRequest
from maillog.search.counts import Count

ALWAYS_SHOWN = frozenset({Status.QUEUED, Status.DEFERRED, Status.HELD})


@dataclass(frozen=True, slots=True)
class Chip:
    """One state above the list: a link that filters by it, or removes that filter."""

    status: str
    label: str
    count: Count
    chosen: bool
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """One waiting message as the list shows it."""

    pk: int
    href: str
    status: str
    label: str
    subject: str
    recipients: str
    reason: str
    connection: str
    hint: str
    attempt_count: int
    next: str
    exactly: str
    iso: str
    can_be_changed: bool


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    """Show waiting messages, oldest first, 50 per page."""
    filters = QueueFilter(request.GET)
    page, misplaced = QueuePage(), False
    if filters.is_valid():
        try:
            page = queue_page(filters.shown(), request.GET)
        except ValueError:
            misplaced = True
    counts = waiting_counts()
    context = {
        **state_of(filters, counts),
        "filter": filters,
        "form": filters.form,
        "misplaced": misplaced,
        "page": page,
        "rows": rows(page.mails, timezone.now()),
        "older": filters.query(before=page.older),
        "newer": filters.query(after=page.newer),
        "here": request.get_full_path(),
        "anything": any(count.value for count in counts.values()),
    }
    if filters.is_valid():
        context |= {
            "retry_all": bulk_link(filters, filters.retried(), counts),
            "cancel_all": bulk_link(filters, filters.cancelled(), counts),
        }
    return render(request, "mailadmin/queue.html", context)


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def state(request: SignedInRequest) -> HttpResponse:
    """Return the part of the page that reloads: workers, connections, counts."""
    filters = QueueFilter(request.GET)
    filters.is_valid()
    return render(request, "mailadmin/_queue_state.html", state_of(filters, waiting_counts()))


def state_of(filters: QueueFilter, counts: dict[str, Count]) -> dict[str, Any]:
    driver = effective.driver_of(effective.current())
    return {
        "chips": chips(filters, counts),
        "connection_chosen": filters.connection_name,
        "without_connection": filters.query(connection=None),
        "query": filters.query(),
        "driver": driver,
        "lines": control.connection_statuses() if driver.needs_connection else [],
    }


def chips(filters: QueueFilter, counts: dict[str, Count]) -> list[Chip]:
    """Return a chip for each state that is common, selected, or has messages."""
    chosen = filters.chosen
    return [
        Chip(
            status=status,
            label=str(Status(status).label),
            count=count,
            chosen=status == chosen,
            query=filters.query(status=None if status == chosen else status),
        )
        for status, count in counts.items()
        if count.value or status == chosen or status in ALWAYS_SHOWN
    ]


def bulk_link(filters: QueueFilter, selection: Selection, counts: dict[str, Count]) -> dict[str, Any] | None:
    """Return link and count for the page that asks before changing all of `selection`; None if there is nothing."""
    total = sum(counts[status].value for status in selection.statuses)
    if not total:
        return None
    more = any(counts[status].more for status in selection.statuses)
    # How many belong to one connection is counted on the page that asks.
    return {"query": filters.query(), "count": "" if selection.connection else Count(total, more), "value": total}


def rows(mails: Iterable[Message], now: datetime) -> list[Row]:
    """Return the rows of `mails`, with times in the active time zone."""
    labels = {status.value: str(status.label) for status in Status}
    log = reverse("maillog:list")
    return [
        Row(
            pk=mail.pk,
            href=f"{log}{mail.pk}/",  # as reverse("maillog:detail") gives, which would be called 50 times
            status=mail.status,
            label=labels[mail.status],
            subject=mail.subject,
            recipients=mail.recipients_shown,
            reason=mail.reason or usual_reason(mail, now),
            connection=mail.connection.text if mail.connection else "",
            hint=mail.connection_hint,
            attempt_count=mail.attempt_count,
            next=next_step(mail, now),
            exactly=date_format(timezone.localtime(mail.next_attempt_at), "j M Y, H:i:s T") if has_time(mail) else "",
            iso=mail.next_attempt_at.isoformat(timespec="seconds") if mail.next_attempt_at else "",
            can_be_changed=mail.status in CANCELLABLE,
        )
        for mail in mails
    ]


def has_time(mail: Message) -> bool:
    """Return whether the message has a next attempt; while it is being sent, the time is that of its lease."""
    return mail.next_attempt_at is not None and mail.status != Status.SENDING


def usual_reason(mail: Message, now: datetime) -> str:
    """Return why a message is waiting that has no reason of its own."""
    if mail.status == Status.QUEUED:
        later = mail.next_attempt_at and mail.next_attempt_at > now
        return gettext("Scheduled.") if later else gettext("Waiting for a worker.")
    return ""


def next_step(mail: Message, now: datetime) -> str:
    """Return what happens next, and when: "in 4 min", "due for 12 s", "when the connection is open"."""
    if mail.status == Status.SENDING:
        return gettext("being sent")
    if mail.status == Status.HELD:
        return gettext("when the connection is open")
    if mail.next_attempt_at is None:
        return gettext("after a decision")
    seconds = (mail.next_attempt_at - now).total_seconds()
    return gettext("in %s") % age(seconds) if seconds > 0 else gettext("due for %s") % age(-seconds)
