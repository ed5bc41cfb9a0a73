"""Keeps the sums of what became of mails, in the transaction in which it becomes so.

Every change that ends a mail, or takes its end back, appends a few rows of differences (one for all mails of a batch
that ended alike) and touches no sum: sums are rows that all workers would wait for. A worker's beat then adds the
differences to the sums. Whoever reads takes both together, in one statement (see `maillog.statistics.queries`).

A mail counts once, by its last end, in the hour of that end: a failed mail that is tried again is taken back. Mails
that are removed from the log stay counted.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connections, router, transaction
from django.utils import timezone

from maillog.labels import label_ids
from maillog.models import FINAL, Attempt, Label, Message, Status
from maillog.models.rollup import Rollup, RollupDelta, RollupLock, WaitingPeak
from maillog.outcomes import ClaimedRow, Settlement
from maillog.sql.batches import id_list, insert_rows
from maillog.text import fit

HOUR = 3600
DAY = 24  # hours
BLOCK = 10_000  # mails
RETENTION = timedelta(days=40)  # the page shows 30 days, which reach into 31 or 32 days of UTC
FOLD_BATCH = 2_000
MAX_FOLDS = 10  # of a beat; what is left waits for the next
DELETE_BATCH = 5_000

# Upper bounds in seconds of the buckets of delivery times: from a millisecond on, each a quarter longer than the last
# (ten make a factor of ten), up to 115 days. The last bucket holds what is longer.
BUCKET_BOUNDS = tuple(10 ** (step / 10 - 3) for step in range(101))
NO_BUCKET = -1

COLUMNS = ["hour", "block", "status", "template", "connection", "error", "bucket", "count"]
_CODES = re.compile(r"([245]\d\d)(?: ([245]\.\d{1,3}\.\d{1,3}))?(?!\d)", re.ASCII)


class DeltaKey(NamedTuple):
    """What mails have in common that count as one difference."""

    hour: int
    block: int
    status: str
    template: int
    connection: int
    error: str
    bucket: int


class EndedMessage(NamedTuple):
    """What is read of mails that have ended."""

    id: int
    status: str
    template_id: int | None
    connection_id: int | None
    reason: str
    created_at: datetime
    finished_at: datetime


class RollupKey(NamedTuple):
    """The key of one row of `Rollup`."""

    span: int
    kind: str
    hour: int
    status: str
    name: str


def hour_of(moment: datetime) -> int:
    """Return the number of the hour in which `moment` lies."""
    return int(moment.timestamp() // HOUR)


def bucket_of(seconds: float) -> int:
    """Return the bucket of a delivery that took so long."""
    return bisect_left(BUCKET_BOUNDS, seconds)


# ---------------------------------------------------------------- differences


def record_ended(ids: Iterable[int]) -> None:
    """Count those mails of `ids` that have ended. For use in the transaction that ended them."""
    _insert_deltas(_count_keys(_load_ended(ids)))


def undo_ended(ids: Iterable[int]) -> None:
    """Take back that those of `ids` ended that had. For use before they are changed, in the same transaction."""
    _insert_deltas(_count_keys(_load_ended(ids)), sign=-1)


def record_settled(pairs: Sequence[tuple[ClaimedRow, Settlement]], *, now: datetime) -> None:
    """Count what ended with these settlements at `now`, whose rows and attempts have just been written.

    Does what `take_back` and `count` do, from values that are at hand.
    """
    before = Counter(_former_key(row, row.finished_at) for row, _ in pairs if row.finished_at)
    if before:
        _insert_deltas(before, sign=-1)
    ended = [(row, settlement) for row, settlement in pairs if settlement.is_final]
    if not ended:
        return
    known = label_ids(
        Label.Kind.CONNECTION, {settlement.connection for _, settlement in ended if settlement.connection}
    )
    failed = [(row.id, fit(one.reason, 500)) for row, one in ended if one.status == Status.FAILED]
    errors = _error_kinds(failed) if failed else {}
    hour, end = hour_of(now), now.timestamp()
    _insert_deltas(
        Counter(
            DeltaKey(
                hour,
                row.id // BLOCK,
                str(one.status),
                row.template_id or 0,
                known.get(fit(one.connection, 254), row.connection_id) or 0,
                errors.get(row.id, ""),
                bisect_left(BUCKET_BOUNDS, end - row.created_at.timestamp())
                if one.status == Status.SENT
                else NO_BUCKET,
            )
            for row, one in ended
        )
    )


def error_code(reason: str) -> str:
    """Return the codes that a reason begins with, such as "550 5.1.1" or "421"; empty if it has none."""
    found = _CODES.match(reason)
    return " ".join(part for part in found.groups() if part) if found else ""


def count_ended(ended: Iterable[EndedMessage]) -> Counter[DeltaKey]:
    """Return these ended mails, counted."""
    return _count_keys(list(ended))


def _former_key(row: ClaimedRow, finished_at: datetime) -> DeltaKey:
    """Return how a mail counts that had ended and was claimed all the same: only uncertain ones are."""
    hour = hour_of(finished_at)
    uncertain = Status.UNCERTAIN.value
    return DeltaKey(hour, row.id // BLOCK, uncertain, row.template_id or 0, row.connection_id or 0, "", NO_BUCKET)


def _load_ended(ids: Iterable[int]) -> list[EndedMessage]:
    numbers = list(ids)
    if not numbers:
        return []
    rows = Message.objects.filter(id__in=id_list(numbers), finished_at__isnull=False).order_by()
    return [EndedMessage(*row) for row in rows.values_list(*EndedMessage._fields)]


def _count_keys(ended: Sequence[EndedMessage]) -> Counter[DeltaKey]:
    errors = _error_kinds([(one.id, one.reason) for one in ended if one.status == Status.FAILED])
    return Counter(
        DeltaKey(
            hour_of(one.finished_at),
            one.id // BLOCK,
            # One that has ended and is in hand again was uncertain, and is so until the worker reports back.
            one.status if one.status in FINAL else Status.UNCERTAIN.value,
            one.template_id or 0,
            one.connection_id or 0,
            errors.get(one.id, ""),
            bucket_of((one.finished_at - one.created_at).total_seconds()) if one.status == Status.SENT else NO_BUCKET,
        )
        for one in ended
    )


def _error_kinds(failed: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Return the kind of error of failed mails: the server's codes, or how far the last attempt had got."""
    found = {pk: error_code(reason) for pk, reason in failed}
    silent = [pk for pk, error in found.items() if not error]
    if silent:
        attempts = Attempt.objects.filter(message_id__in=id_list(silent)).order_by("id")
        phases = dict(attempts.values_list("message_id", "phase"))  # the newest of a mail comes last
        found |= {pk: phases.get(pk) or "other" for pk in silent}
    return found


def _insert_deltas(cells: Counter[DeltaKey], *, sign: int = 1) -> None:
    insert_rows(
        RollupDelta, ({**cell._asdict(), "count": sign * number} for cell, number in cells.items()), columns=COLUMNS
    )


# ---------------------------------------------------------------- sums


def fold_deltas() -> int:
    """Add the differences to the sums, and return how many there were; short transactions, one process at a time."""
    done = 0
    for _ in range(MAX_FOLDS):
        folded = _fold_batch()
        done += folded
        if folded < FOLD_BATCH:
            break
    return done


def _fold_batch() -> int:
    if not RollupDelta.objects.exists():
        return 0
    with transaction.atomic():
        if not lock_rollups():
            return 0
        deltas = list(RollupDelta.objects.order_by("id").values_list("id", *COLUMNS)[:FOLD_BATCH])
        cells: Counter[DeltaKey] = Counter()
        for _, *key, number in deltas:
            cells[DeltaKey(*key)] += number
        add_to_rollups(cells)
        RollupDelta.objects.filter(id__in=id_list(pk for pk, *_ in deltas)).delete()
    return len(deltas)


def lock_rollups() -> bool:
    """Return whether the sums are ours for the rest of this transaction: nobody else adds, nobody counts anew."""
    row = RollupLock.objects.select_for_update(skip_locked=True).filter(pk=RollupLock.KEY).first()
    if row is None:  # another process has it, or nobody ever had
        RollupLock.objects.bulk_create([RollupLock(pk=RollupLock.KEY)], ignore_conflicts=True)
        row = RollupLock.objects.select_for_update(skip_locked=True).filter(pk=RollupLock.KEY).first()
    return row is not None and (row.rebuilding_until is None or row.rebuilding_until <= timezone.now())


def add_to_rollups(cells: Counter[DeltaKey]) -> None:
    """Add to the sums of the hours and of the days. In the order of their keys, so that nobody waits crosswise."""
    sums: Counter[RollupKey] = Counter()
    for cell, number in cells.items():
        for span, hour in ((Rollup.Span.HOUR.value, cell.hour), (Rollup.Span.DAY.value, cell.hour // DAY * DAY)):
            for kind, status, name in _dimensions(cell):
                sums[RollupKey(span, kind, hour, status, name)] += number
    rows = [(*key, number) for key, number in sorted(sums.items()) if number]
    if not rows:
        return
    connection = connections[router.db_for_write(Rollup)]
    table = connection.ops.quote_name(Rollup._meta.db_table)
    names = ", ".join((*RollupKey._fields, "count"))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {table} ({names}) VALUES (%s, %s, %s, %s, %s, %s)"  # noqa: S608  (names of ours)
            f" ON CONFLICT ({', '.join(RollupKey._fields)}) DO UPDATE SET count = {table}.count + excluded.count",
            rows,
        )


def _dimensions(cell: DeltaKey) -> Iterable[tuple[str, str, str]]:
    yield Rollup.Kind.STATUS.value, cell.status, ""
    if cell.template:
        yield Rollup.Kind.TEMPLATE.value, cell.status, str(cell.template)
    if cell.connection:
        yield Rollup.Kind.CONNECTION.value, cell.status, str(cell.connection)
    if cell.error:
        yield Rollup.Kind.ERROR.value, cell.status, cell.error
    if cell.bucket != NO_BUCKET:
        yield Rollup.Kind.TIME.value, cell.status, str(cell.bucket)


def delete_old(now: datetime) -> int:
    """Delete the sums of hours and days that ended 40 days ago, at most some thousand at once; return how many."""
    before = hour_of(now - RETENTION)
    gone = WaitingPeak.objects.filter(hour__lt=before).delete()[0]
    for span in Rollup.Span:
        for kind in Rollup.Kind:
            old = Rollup.objects.filter(span=span, kind=kind, hour__lt=before).order_by("hour")
            ids = list(old.values_list("id", flat=True)[:DELETE_BATCH])
            gone += Rollup.objects.filter(id__in=id_list(ids)).delete()[0] if ids else 0
    return gone


def record_waiting(number: int, now: datetime) -> None:
    """Remember that so many mails wait, if they are more than before in this hour."""
    hour = hour_of(now)
    mine = WaitingPeak.objects.filter(hour=hour)
    if mine.filter(peak__lt=number).update(peak=number) or mine.exists():
        return
    WaitingPeak.objects.bulk_create([WaitingPeak(hour=hour, peak=number)], ignore_conflicts=True)
