"""What people do to waiting messages: cancel them or retry them now.

Every change repeats its condition in the UPDATE, on locked rows: a message that a worker has claimed in the meantime is
left to the worker, and a worker cannot claim a message that was changed here. Large selections are processed in
batches, each a transaction of its own, so that workers never wait for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from django.db import transaction
from django.db.models import Case, DateTimeField, F, QuerySet, Value, When
from django.utils import timezone

from maillog import audit_log
from maillog.index import writing
from maillog.models import FAILURES, Content, Label, Message, Recipient, Status
from maillog.retriable import OPEN_OUTCOMES, WAITING
from maillog.statistics import rollups
from maillog.text import fit

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

CANCELLABLE = (*WAITING, Status.SENDING)
RETRIABLE = (*WAITING, *FAILURES)
# What "retry all" means without a chosen status. Queued messages are sent anyway, perhaps at a requested time; one that
# may have arrived is sent again only on request.
RETRIED_BY_DEFAULT = (Status.DEFERRED, Status.HELD)
BATCH = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All messages in one of `statuses`, optionally of one connection (by name) and up to an id, inclusive."""

    statuses: tuple[Status, ...]
    connection: str = ""
    up_to: int | None = None

    def messages(self, status: Status) -> QuerySet[Message]:
        """Return the part of the selection in one status. SQLite uses the partial index only with "not sent"."""
        mails = Message.objects.filter(status=status).exclude(status=Status.SENT)
        if self.connection:
            names = Label.objects.filter(kind=Label.Kind.CONNECTION, text=self.connection)
            mails = mails.filter(connection_id__in=list(names.values_list("id", flat=True)))
        return mails if self.up_to is None else mails.filter(id__lte=self.up_to)

    def count(self) -> int:
        return sum(self.messages(status).count() for status in self.statuses)

    def batches(self) -> Iterator[list[int]]:
        """Yield the ids, oldest first within each status, at most 500 at a time."""
        for status in self.statuses:
            ids = self.messages(status).order_by("id").values_list("id", flat=True)
            last = 0
            while batch := list(ids.filter(id__gt=last)[:BATCH]):
                yield batch
                last = batch[-1]


@dataclass(frozen=True, slots=True)
class RetryResult:
    """How many messages are due now, and how many failed or partly sent ones cannot be retried."""

    due: int = 0
    no_recipients_left: int = 0  # every recipient has accepted or refused it
    content_missing: int = 0  # the content is no longer stored

    def __add__(self, other: RetryResult) -> RetryResult:
        return RetryResult(
            self.due + other.due,
            self.no_recipients_left + other.no_recipients_left,
            self.content_missing + other.content_missing,
        )


def cancel(ids: Iterable[int], *, reason: str = "", actor: AbstractBaseUser | None = None) -> int:
    """Cancel those of `ids` that are queued, deferred, held, uncertain or being sent, and return their number.

    One that a worker has in hand is given back by it within a second; if it had been handed over by then, its result
    replaces the cancellation. Deletes the content of sensitive messages. With an `actor`, writes to
    the audit log.
    """
    return sum(_cancel(batch, reason, actor) for batch in _batched(ids))


def cancel_all(
    selection: Selection, *, reason: str = "", limit: int | None = None, actor: AbstractBaseUser | None = None
) -> int:
    """Cancel a whole selection as `cancel` does; stop after the batch in which `limit` is reached."""
    return _in_batches(
        selection, lambda batch: _cancel(batch, reason, actor), 0, lambda done: limit is not None and done >= limit
    )


def retry_now(ids: Iterable[int], *, actor: AbstractBaseUser | None = None) -> RetryResult:
    """Make those of `ids` due now that are queued, deferred, held, uncertain, failed or partly sent.

    Recipients that accepted or refused a message do not get it again; a finished message without any other recipient,
    or without content, stays as it is. Uncertain messages keep their Message-ID. With an `actor`, writes to the audit
    log.
    """
    return sum((_retry(batch, actor) for batch in _batched(ids)), RetryResult())


def retry_all(selection: Selection, *, limit: int | None = None, actor: AbstractBaseUser | None = None) -> RetryResult:
    """Retry a whole selection as `retry_now` does; `limit` as in `cancel_all`."""
    return _in_batches(
        selection,
        lambda batch: _retry(batch, actor),
        RetryResult(),
        lambda done: limit is not None and done.due >= limit,
    )


def preview_retry(mail: Message) -> RetryResult:
    """Return what `retry_now` would return for the failed or partly sent `mail`, without changing anything."""
    result, ids = _not_retriable([mail.pk])
    return result if ids else RetryResult(due=1)


def _batched(ids: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _in_batches(
    selection: Selection, act: Callable[[Sequence[int]], T], nothing: T, is_enough: Callable[[T], bool]
) -> T:
    done = nothing
    for batch in selection.batches():
        done = done + act(batch)  # type: ignore[operator]  # int or RetryResult
        if is_enough(done):
            break
    return done


def _cancel(ids: Sequence[int], reason: str, actor: AbstractBaseUser | None) -> int:
    waiting = Message.objects.filter(id__in=ids, status__in=CANCELLABLE)
    with transaction.atomic():
        rows = dict(waiting.select_for_update().order_by("id").values_list("id", "is_sensitive"))
        rollups.undo_ended(rows)
        touched = waiting.filter(id__in=rows).update(
            status=Status.CANCELLED,
            reason=fit(reason, 500),
            finished_at=timezone.now(),
            next_attempt_at=None,
        )
        rollups.record_ended(rows)
        writing.refresh(rows)
        Content.objects.filter(message_id__in=[pk for pk, is_sensitive in rows.items() if is_sensitive]).delete()
        if actor:
            audit_log.record(audit_log.Action.CANCELLED, rows, actor=actor)
    return touched


def _retry(ids: Sequence[int], actor: AbstractBaseUser | None) -> RetryResult:
    now = timezone.now()
    retriable = Message.objects.filter(id__in=ids, status__in=RETRIABLE)
    with transaction.atomic():
        found = list(retriable.select_for_update().order_by("id").values_list("id", "status", "reason"))
        rows = {pk: status for pk, status, _ in found}
        failed = [pk for pk, status in rows.items() if status in FAILURES]
        result, skipped = _not_retriable(failed)
        # A message that is due already keeps its place in the queue.
        due = Case(
            When(status=Status.QUEUED, next_attempt_at__lte=now, then=F("next_attempt_at")),
            default=Value(now, DateTimeField()),
        )
        rollups.undo_ended(rows.keys() - skipped)
        touched = retriable.filter(id__in=rows.keys() - skipped).update(
            possibly_duplicate=Case(When(status=Status.UNCERTAIN, then=Value(True)), default=F("possibly_duplicate")),
            next_attempt_at=due,
            status=Status.QUEUED,
            reason="",
            worker_deaths=0,
            finished_at=None,
        )
        writing.refresh(
            pk for pk, status, reason in found if (reason or status in writing.PROBLEM_STATUSES) and pk not in skipped
        )
        if actor:
            audit_log.record(audit_log.Action.RETRIED, sorted(rows.keys() - skipped), actor=actor)
    return RetryResult(touched, result.no_recipients_left, result.content_missing)


def _not_retriable(failed: Sequence[int]) -> tuple[RetryResult, set[int]]:
    """Return which failed or partly sent messages cannot be retried: their number per reason, and their ids."""
    if not failed:
        return RetryResult(), set()
    with_content = set(Content.objects.filter(message_id__in=failed).values_list("message_id", flat=True))
    still_open = Recipient.objects.filter(message_id__in=failed, outcome__in=OPEN_OUTCOMES)
    with_recipient = set(still_open.values_list("message_id", flat=True))
    without_recipient = set(failed) - with_recipient
    without_content = with_recipient - with_content
    result = RetryResult(no_recipients_left=len(without_recipient), content_missing=len(without_content))
    return result, without_recipient | without_content
