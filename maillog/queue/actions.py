"""What people do to mails that wait: cancel them, or try them at once.

Every change repeats its condition in the UPDATE, on rows that are locked: a mail that a worker has claimed meanwhile is
left to the worker, and a claim on a mail that was changed here finds nothing. One of both wins. Many mails are taken
in batches, each a transaction of its own, so that workers never wait for long.
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
from maillog.models import Content, Label, Message, Recipient, Status
from maillog.queue.claiming import OPEN_OUTCOMES
from maillog.statistics import rollups
from maillog.text import fit

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

CANCELLABLE = (Status.QUEUED, Status.DEFERRED, Status.HELD, Status.UNCERTAIN)
RETRIABLE = (*CANCELLABLE, Status.FAILED)
# What "all that wait" means when nobody chose a state. Queued mails go by themselves, at the time somebody may have
# asked for; one that may have arrived is repeated only if somebody says so.
RETRIED_BY_DEFAULT = (Status.DEFERRED, Status.HELD)
BATCH = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """All mails in one of `statuses`, if given only those of the connection of that name and up to that id."""

    statuses: tuple[Status, ...]
    connection: str = ""
    up_to: int | None = None

    def mails(self, status: Status) -> QuerySet[Message]:
        """Return those of the selection in one state. "Not sent" is what SQLite needs to hear to take the index."""
        mails = Message.objects.filter(status=status).exclude(status=Status.SENT)
        if self.connection:
            names = Label.objects.filter(kind=Label.Kind.CONNECTION, text=self.connection)
            mails = mails.filter(connection_id__in=list(names.values_list("id", flat=True)))
        return mails if self.up_to is None else mails.filter(id__lte=self.up_to)

    def count(self) -> int:
        """Return how many mails there are, exactly."""
        return sum(self.mails(status).count() for status in self.statuses)

    def batches(self) -> Iterator[list[int]]:
        """Yield the ids, oldest first in each state, at most 500 at a time."""
        for status in self.statuses:
            ids = self.mails(status).order_by("id").values_list("id", flat=True)
            last = 0
            while batch := list(ids.filter(id__gt=last)[:BATCH]):
                yield batch
                last = batch[-1]


@dataclass(frozen=True, slots=True)
class RetryResult:
    """How many mails are due now, and how many failed ones are not because nobody or nothing is left to send."""

    due: int = 0
    nobody_left: int = 0  # every recipient accepted or refused it
    content_gone: int = 0  # what it said is not kept any more

    def __add__(self, other: RetryResult) -> RetryResult:
        """Return the sums."""
        return RetryResult(
            self.due + other.due, self.nobody_left + other.nobody_left, self.content_gone + other.content_gone
        )


def cancel(ids: Iterable[int], *, reason: str = "", actor: AbstractBaseUser | None = None) -> int:
    """Cancel those of `ids` that are queued, deferred, held or uncertain, and return how many there were.

    Never one that is being sent. What sensitive mails said is dropped with it. With an `actor` the trail tells of it.
    """
    return sum(_cancel(batch, reason, actor) for batch in _batched(ids))


def cancel_all(
    selection: Selection, *, reason: str = "", most: int | None = None, actor: AbstractBaseUser | None = None
) -> int:
    """Cancel what `selection` names, as `cancel` does; `most` ends it after the batch that reaches this number."""
    return _in_batches(
        selection, lambda batch: _cancel(batch, reason, actor), 0, lambda done: most is not None and done >= most
    )


def retry_now(ids: Iterable[int], *, actor: AbstractBaseUser | None = None) -> RetryResult:
    """Make those of `ids` due now that are queued, deferred, held, uncertain or failed.

    Recipients who accepted or refused a mail do not get it again; a failed mail without any other is left as it is, and
    so is one whose content is gone. What was uncertain goes out again with the same Message-ID. With an `actor` the
    trail tells of it.
    """
    return sum((_retry(batch, actor) for batch in _batched(ids)), RetryResult())


def retry_all(selection: Selection, *, most: int | None = None, actor: AbstractBaseUser | None = None) -> RetryResult:
    """Make due now what `selection` names, as `retry_now` does; `most` as in `cancel_all`."""
    return _in_batches(
        selection, lambda batch: _retry(batch, actor), RetryResult(), lambda done: most is not None and done.due >= most
    )


def preview_retry(mail: Message) -> RetryResult:
    """Return what `retry_now` would say of the failed `mail`, without doing it."""
    hindered, left_out = _not_retriable([mail.pk])
    return hindered if left_out else RetryResult(due=1)


def _batched(ids: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _in_batches(
    selection: Selection, act: Callable[[Sequence[int]], T], nothing: T, is_enough: Callable[[T], bool]
) -> T:
    done = nothing
    for batch in selection.batches():
        done = done + act(batch)  # type: ignore[operator]  # int or Retried
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
            claim="",
        )
        rollups.record_ended(rows)
        writing.refresh(rows)
        Content.objects.filter(message_id__in=[pk for pk, is_sensitive in rows.items() if is_sensitive]).delete()
        if actor:
            audit_log.record(audit_log.Action.CANCELLED, rows, actor=actor)
    return touched


def _retry(ids: Sequence[int], actor: AbstractBaseUser | None) -> RetryResult:
    now = timezone.now()
    wanted = Message.objects.filter(id__in=ids, status__in=RETRIABLE)
    with transaction.atomic():
        found = list(wanted.select_for_update().order_by("id").values_list("id", "status", "reason"))
        rows = {pk: status for pk, status, _ in found}
        failed = [pk for pk, status in rows.items() if status == Status.FAILED]
        without, left_out = _not_retriable(failed)
        # One that is due already keeps its place in the queue.
        due = Case(
            When(status=Status.QUEUED, next_attempt_at__lte=now, then=F("next_attempt_at")),
            default=Value(now, DateTimeField()),
        )
        rollups.undo_ended(rows.keys() - left_out)
        touched = wanted.filter(id__in=rows.keys() - left_out).update(
            possibly_duplicate=Case(When(status=Status.UNCERTAIN, then=Value(True)), default=F("possibly_duplicate")),
            next_attempt_at=due,
            status=Status.QUEUED,
            reason="",
            worker_deaths=0,
            finished_at=None,
        )
        writing.refresh(
            pk for pk, status, reason in found if (reason or status in writing.PROBLEM_STATUSES) and pk not in left_out
        )
        if actor:
            audit_log.record(audit_log.Action.RETRIED, sorted(rows.keys() - left_out), actor=actor)
    return RetryResult(touched, without.nobody_left, without.content_gone)


def _not_retriable(failed: Sequence[int]) -> tuple[RetryResult, set[int]]:
    """Return which of the failed mails cannot be tried again: how many for which reason, and their ids."""
    if not failed:
        return RetryResult(), set()
    with_content = set(Content.objects.filter(message_id__in=failed).values_list("message_id", flat=True))
    still_open = Recipient.objects.filter(message_id__in=failed, outcome__in=OPEN_OUTCOMES)
    with_recipient = set(still_open.values_list("message_id", flat=True))
    nobody = set(failed) - with_recipient
    gone = with_recipient - with_content
    return RetryResult(0, len(nobody), len(gone)), nobody | gone
