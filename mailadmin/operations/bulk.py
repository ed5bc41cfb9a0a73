"""Bulk actions: the worker applies an action to many messages, in batches that share a transaction with their progress.

A batch and its progress are committed together, so when a worker dies, nothing is done twice and nothing is skipped:
after its lease has expired, the next worker continues after the last id. A worker that has lost the lease writes
nothing. The person's permission is checked before each batch.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from mailadmin.models import BulkAction
from mailadmin.operations import control
from mailadmin.outbox import resending
from maillog.models import Message, Status
from maillog.queue.actions import CANCELLABLE, RETRIABLE
from maillog.retention import deletion
from maillog.search.filters import MessageFilter
from maillog.search.paging import LARGEST_ID
from maillog.search.results import SearchResult

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

Action, State = BulkAction.Action, BulkAction.State
# `resend` loads contents into memory, so a batch ends at this many octets.
BATCH, BATCH_OCTETS = 200, 16 * 1024 * 1024
PAUSE_SECONDS = 0.03  # between batches, so that others can write to the database
LEASE = timedelta(seconds=60)
PERMISSIONS = {
    Action.RESEND: "maillog.resend_mail",
    Action.RETRY: "mailadmin.manage_queue",
    Action.CANCEL: "mailadmin.manage_queue",
    Action.DELETE: "maillog.delete_mail",
}
STATE_CHANGED = gettext_noop("Its state had changed by then, or it was deleted.")
NO_RECIPIENTS_LEFT = gettext_noop("All of its recipients have accepted or refused it.")
NOT_ALLOWED = gettext_noop("The person who started it no longer has the permission.")
FAILED = gettext_noop("An error stopped it. See the worker's log.")
FILTER_INVALID = gettext_noop("Its filter is no longer valid.")

logger = logging.getLogger(__name__)


class FilterRefused(Exception):
    """The query string is not valid; nothing is changed."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """How many messages of a batch were changed, and why others were not (untranslated reason -> how many)."""

    count: int
    reasons: dict[str, int]


def allowed_actions(user: User) -> list[str]:
    """Return the actions that `user` may start, in the order of the buttons."""
    return [action.value for action in Action if user.has_perm(PERMISSIONS[action])]


def targets(
    action: str,
    *,
    up_to: int,
    query: str = "",
    ids: Sequence[int] = (),
    now: datetime | None = None,
    time_zone: str = "",
) -> SearchResult:
    """Return the messages that `action` would change now: those of `ids`, otherwise those that match `query`.

    "after:2h" counts back from `now`; days are in `time_zone` (empty: the active one). Raises FilterRefused if `query`
    is not a valid query string of the log's page.
    """
    if ids:
        found = SearchResult(Message.objects.filter(id__in=ids))
    else:
        with timezone.override(time_zone or timezone.get_current_timezone()):
            filters = MessageFilter(QueryDict(query), Message.objects.all(), now=now)
            if not filters.is_valid():
                raise FilterRefused(query)
            found = filters.result
    below = min(up_to, LARGEST_ID - 1) + 1
    if found.before_id is not None:
        below = min(below, found.before_id)
    return only_eligible(action, replace(found, before_id=below))


def only_eligible(action: str, found: SearchResult) -> SearchResult:
    """Return the part of `found` whose state allows `action`."""
    match action:
        case Action.RETRY:
            return _with_status(found, RETRIABLE)
        case Action.CANCEL:
            return _with_status(found, CANCELLABLE)
        case Action.RESEND:
            return replace(found, rows=deletion.deletable(found.rows).filter(is_sensitive=False))
        case _:
            return replace(found, rows=deletion.deletable(found.rows))


def _with_status(found: SearchResult, statuses: Sequence[Status]) -> SearchResult:
    """Return the part of `found` with one of `statuses`. These are rare, so the search starts with them."""
    # "Not sent" lets SQLite use the partial index.
    one_of = Q(status__in=statuses) & ~Q(status=Status.SENT)
    return replace(found, rows=found.rows.filter(one_of), candidate_filters=(*found.candidate_filters, one_of))


def create(action: str, *, actor: User, total: int, up_to: int, query: str = "", ids: Sequence[int] = ()) -> BulkAction:
    """Store a bulk action. A worker claims it after the commit."""
    return BulkAction.objects.create(
        action=action,
        query="" if ids else query,
        ids=sorted(ids),
        up_to=up_to,
        total=total,
        actor=actor,
        actor_name=str(actor)[:254],
        created_at=timezone.now(),
        time_zone=timezone.get_current_timezone_name(),
    )


def stop(pk: int, *, by: User) -> bool:
    """Stop a bulk action after the current batch; False if it had ended. Finished batches stay done."""
    open_ones = BulkAction.objects.filter(pk=pk, state__in=[State.WAITING, State.RUNNING])
    return bool(
        open_ones.update(
            state=State.STOPPED,
            note=gettext("Stopped by %s.") % str(by)[:254],
            finished_at=timezone.now(),
            claim="",
            lease_until=None,
        )
    )


def has_work() -> bool:
    """Return whether a bulk action waits for a worker: one query on a small index."""
    return _claimable().exists()


def run(*, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Run bulk actions until none is left, and return how many messages were processed."""
    processed = 0
    while not should_stop() and (taken := _claim()):
        pk, claim = taken
        while not should_stop():
            try:
                count = _run_batch(pk, claim)
            except DatabaseError:
                raise  # the database is down; the next worker continues when the lease has expired
            except Exception:
                logger.exception("Bulk action %d stopped.", pk)
                _finish(BulkAction(pk=pk, claim=claim), State.STOPPED, FAILED)
                break
            if count is None:
                break
            processed += count
            time.sleep(PAUSE_SECONDS)
        else:  # asked to stop: the next worker need not wait for the lease to expire
            BulkAction.objects.filter(pk=pk, claim=claim, state=State.RUNNING).update(lease_until=None)
    return processed


def _claimable() -> QuerySet[BulkAction]:
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=timezone.now())
    return BulkAction.objects.filter(free, state__in=[State.WAITING, State.RUNNING])


def _claim() -> tuple[int, str] | None:
    """Claim the oldest bulk action that no worker has."""
    for pk in list(_claimable().order_by("id").values_list("id", flat=True)[:10]):
        claim = uuid.uuid4().hex
        lease = timezone.now() + LEASE
        if _claimable().filter(pk=pk).update(state=State.RUNNING, claim=claim, lease_until=lease):
            return pk, claim
    return None


def _run_batch(pk: int, claim: str) -> int | None:
    """Run one batch and return its size; None if nothing is left or another worker has claimed the action."""
    one = BulkAction.objects.select_related("actor").filter(pk=pk, claim=claim, state=State.RUNNING).first()
    if one is None:
        return None
    if not is_still_allowed(one):
        _finish(one, State.STOPPED, NOT_ALLOWED)
        return None
    try:
        ids = _next_ids(one)
    except FilterRefused:
        _finish(one, State.STOPPED, FILTER_INVALID)
        return None
    if not ids:
        _finish(one, State.DONE)
        return None
    with transaction.atomic():
        # Locks the row: taking over or stopping the action waits for this batch, or makes it void.
        mine = BulkAction.objects.filter(pk=pk, claim=claim, state=State.RUNNING)
        if not mine.update(last_id=ids[-1], lease_until=timezone.now() + LEASE):
            return None
        done = _apply(one, ids)
        reasons = dict(one.reasons)
        for reason, count in done.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        unchanged = len(ids) - done.count
        mine.update(done=one.done + done.count, failed=one.failed + unchanged, reasons=reasons)
    return len(ids)


def is_still_allowed(one: BulkAction) -> bool:
    """Return whether the person who started it still has an active account with the permission."""
    return one.actor is not None and one.actor.is_active and one.actor.has_perm(PERMISSIONS[Action(one.action)])


def _next_ids(one: BulkAction) -> list[int]:
    """Return the ids of the next batch, oldest first."""
    found = targets(
        one.action, query=one.query, ids=one.ids, up_to=one.up_to, now=one.created_at, time_zone=one.time_zone
    )
    ids: list[int] = []
    octets = 0
    for mail in found.oldest(BATCH, after=one.last_id):
        octets += mail.size
        if ids and octets > BATCH_OCTETS:
            break
        ids.append(mail.pk)
    return ids


def _apply(one: BulkAction, ids: Sequence[int]) -> BatchResult:
    """Apply the action to one batch. The rows are locked, so concurrent changes are noticed."""
    actor: Any = one.actor
    reasons: dict[str, int] = {}
    match one.action:
        case Action.RESEND:
            made = resending.resend_all(ids, actor=actor)
            count, reasons = len(made.new), {reason: len(which) for reason, which in made.refused.items()}
        case Action.RETRY:
            retried = control.retry(ids, actor=actor)
            count = retried.due
            reasons = {NO_RECIPIENTS_LEFT: retried.no_recipients_left, resending.CONTENT_GONE: retried.content_missing}
        case Action.CANCEL:
            count = control.cancel(ids, by=one.actor_name, actor=actor)
        case _:
            count = len(deletion.delete(ids, actor=actor))
    reasons = {reason: number for reason, number in reasons.items() if number}
    if others := len(ids) - count - sum(reasons.values()):
        reasons[STATE_CHANGED] = others
    return BatchResult(count, reasons)


def _finish(one: BulkAction, state: BulkAction.State, note: str = "") -> None:
    BulkAction.objects.filter(pk=one.pk, claim=one.claim, state=State.RUNNING).update(
        state=state, note=note, finished_at=timezone.now(), claim="", lease_until=None
    )
