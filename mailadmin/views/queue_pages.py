"""The queue: what waits and why, how the connections and the workers are doing. What is done about it is next door."""

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
from mailadmin.operations.forms import QueueFilter
from maillog.durations import age
from maillog.models import Message, Status
from maillog.queue.actions import CANCELLABLE, Selection
from maillog.queue.waiting import QueuePage, queue_page, waiting_counts
from maillog.requests import SignedInRequest
from maillog.search.counts import Count

ALWAYS_SHOWN = frozenset({Status.QUEUED, Status.DEFERRED, Status.HELD})


@dataclass(frozen=True, slots=True)
class Chip:
    """One state above the list: a link that filters by it, or takes the filter away."""

    status: str
    label: str
    count: Count
    chosen: bool
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """One waiting mail as the list shows it."""

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
    can_be_touched: bool


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    """Show what waits, oldest first, 50 a page."""
    form = QueueFilter(request.GET)
    page, misplaced = QueuePage(), False
    if form.is_valid():
        try:
            page = queue_page(form.shown(), request.GET)
        except ValueError:
            misplaced = True
    counts = waiting_counts()
    context = {
        **state_of(form, counts),
        "form": form,
        "misplaced": misplaced,
        "page": page,
        "rows": rows(page.mails, timezone.now()),
        "older": form.query(before=page.older),
        "newer": form.query(after=page.newer),
        "here": request.get_full_path(),
        "anything": any(count.value for count in counts.values()),
    }
    if form.is_valid():
        context |= {
            "retry_all": touched(form, form.retried(), counts),
            "cancel_all": touched(form, form.cancelled(), counts),
        }
    return render(request, "mailadmin/queue.html", context)


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def state(request: SignedInRequest) -> HttpResponse:
    """Give the part of the page that renews itself: workers, connections, counts."""
    form = QueueFilter(request.GET)
    form.is_valid()
    return render(request, "mailadmin/_queue_state.html", state_of(form, waiting_counts()))


def state_of(form: QueueFilter, counts: dict[str, Count]) -> dict[str, Any]:
    """Return what the part that renews itself shows."""
    driver = effective.driver_of(effective.current())
    return {
        "chips": chips(form, counts),
        "connection_chosen": form.connection_name,
        "without_connection": form.query(connection=None),
        "query": form.query(),
        "driver": driver,
        "lines": control.connection_statuses() if driver.needs_connection else [],
    }


def chips(form: QueueFilter, counts: dict[str, Count]) -> list[Chip]:
    """Return a chip for each state that is usual, chosen, or that some mail is in."""
    chosen = form.chosen
    return [
        Chip(
            status=status,
            label=str(Status(status).label),
            count=count,
            chosen=status == chosen,
            query=form.query(status=None if status == chosen else status),
        )
        for status, count in counts.items()
        if count.value or status == chosen or status in ALWAYS_SHOWN
    ]


def touched(form: QueueFilter, selection: Selection, counts: dict[str, Count]) -> dict[str, Any] | None:
    """Return the link to the page that asks before it touches all of `selection`, with how many; None if nobody is."""
    total = sum(counts[status].value for status in selection.statuses)
    if not total:
        return None
    more = any(counts[status].more for status in selection.statuses)
    # How many of them are a connection's own is counted on the page that asks.
    return {"query": form.query(), "count": "" if selection.connection else Count(total, more), "value": total}


def rows(mails: Iterable[Message], now: datetime) -> list[Row]:
    """Return what the list shows of `mails`, times in the time zone in force."""
    labels = {status.value: str(status.label) for status in Status}
    log = reverse("maillog:list")
    return [
        Row(
            pk=mail.pk,
            href=f"{log}{mail.pk}/",  # what reverse("maillog:detail") says, which would be asked 50 times
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
            can_be_touched=mail.status in CANCELLABLE,
        )
        for mail in mails
    ]


def has_time(mail: Message) -> bool:
    """Return whether the mail has a time at which it goes on; that of one being sent is another thing's."""
    return mail.next_attempt_at is not None and mail.status != Status.SENDING


def usual_reason(mail: Message, now: datetime) -> str:
    """Return why a mail waits that nothing happened to."""
    if mail.status == Status.QUEUED:
        later = mail.next_attempt_at and mail.next_attempt_at > now
        return gettext("Scheduled.") if later else gettext("Waits for a free worker.")
    return ""


def next_step(mail: Message, now: datetime) -> str:
    """Return what happens next, and when: "in 4 min", "due for 12 s", "when the connection is open"."""
    if mail.status == Status.SENDING:
        return gettext("being sent")
    if mail.status == Status.HELD:
        return gettext("when the connection is open")
    if mail.next_attempt_at is None:
        return gettext("when somebody decides")
    seconds = (mail.next_attempt_at - now).total_seconds()
    return gettext("in %s") % age(seconds) if seconds > 0 else gettext("due for %s") % age(-seconds)
