"""Keeps statistics of finished messages up to date, in the transaction in which they finish.

Every change that finishes a message, or undoes that, appends a few delta rows (one for all messages of a batch that
finished alike) and touches no rollup, since all workers would wait for those rows. Workers fold the deltas into the
rollups periodically. Readers combine both in one statement (see `maillog.statistics.queries`).

A message counts once, by its last outcome, in the hour of that outcome: retrying a failed message undoes its count.
Messages deleted from the log stay counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connections, router, transaction
from django.utils import timezone

from maillog.explanations import error_kinds
from maillog.explanations.explanation import explain
from maillog.labels import label_ids
from maillog.models import FAILURES, FINAL, Attempt, Label, Message, Status
from maillog.models.rollup import Rollup, RollupDelta, RollupLock, WaitingPeak
from maillog.outcomes import ClaimedRow, Settlement
from maillog.sql.batches import id_list, insert_rows
from maillog.text import fit

HOUR = 3600
DAY = 24  # hours
BLOCK = 10_000  # ids
RETENTION = timedelta(days=40)  # the page shows 30 local days, which touch up to 32 UTC days
FOLD_BATCH = 2_000
MAX_FOLDS = 10  # per run; the rest waits for the next one
DELETE_BATCH = 5_000

# Upper bounds of the delivery time buckets in seconds: from a millisecond up to 115 days, each a quarter longer than
# the one before (ten of them make a factor of ten). One more bucket holds longer times.
BUCKET_BOUNDS = tuple(10 ** (step / 10 - 3) for step in range(101))
NO_BUCKET = -1
END = ("message_id", "phase", "code", "fault")  # what is read of attempts that ended without a reply

COLUMNS = ["hour", "block", "status", "template", "connection", "error", "bucket", "count"]


class DeltaKey(NamedTuple):
    """What messages have in common that are counted in one delta."""

    hour: int
    block: int
    status: str
    template: int
    connection: int
    error: str
    bucket: int


class EndedMessage(NamedTuple):
    """What is read of finished messages."""

    id: int
    status: str
    template_id: int | None
    connection_id: int | None
    reason: str
    created_at: datetime
    finished_at: datetime


class RollupKey(NamedTuple):
    """The key of a `Rollup`."""

    span: int
    kind: str
    hour: int
    status: str
    name: str


def hour_of(moment: datetime) -> int:
    return int(moment.timestamp() // HOUR)


def bucket_of(seconds: float) -> int:
    """Return the delivery time bucket of a duration."""
    return bisect_left(BUCKET_BOUNDS, seconds)


# ---------------------------------------------------------------- deltas


def record_ended(ids: Iterable[int]) -> None:
    """Count the finished messages among `ids`. To be called in the transaction that finished them."""
    _insert_deltas(_count_keys(_load_ended(ids)))


def undo_ended(ids: Iterable[int]) -> None:
    """Undo the count of the finished messages among `ids`. To be called before they change, in that transaction."""
    _insert_deltas(_count_keys(_load_ended(ids)), sign=-1)


def record_settled(pairs: Sequence[tuple[ClaimedRow, Settlement]], *, now: datetime) -> None:
    """Count the messages that these settlements, just written, finished at `now`.

    Does what `undo_ended` and `record_ended` do, without reading the rows again.
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
    failed = [(row.id, fit(one.reason, 500)) for row, one in ended if one.status in FAILURES]
    errors = _error_kinds(failed) if failed else {}
    hour = hour_of(now)
    _insert_deltas(
        Counter(
            DeltaKey(
                hour,
                row.id // BLOCK,
                str(one.status),
                row.template_id or 0,
                known.get(fit(one.connection, 254), row.connection_id) or 0,
                errors.get(row.id, ""),
                bucket_of((now - row.created_at).total_seconds()) if one.status == Status.SENT else NO_BUCKET,
            )
            for row, one in ended
        )
    )


def count_ended(ended: Iterable[EndedMessage]) -> Counter[DeltaKey]:
    return _count_keys(list(ended))


def _former_key(row: ClaimedRow, finished_at: datetime) -> DeltaKey:
    """Return the key under which a claimed message was counted before: as uncertain, or as cancelled meanwhile."""
    hour = hour_of(finished_at)
    status = row.status if row.status == Status.CANCELLED else Status.UNCERTAIN.value
    return DeltaKey(hour, row.id // BLOCK, status, row.template_id or 0, row.connection_id or 0, "", NO_BUCKET)


def _load_ended(ids: Iterable[int]) -> list[EndedMessage]:
    numbers = list(ids)
    if not numbers:
        return []
    rows = Message.objects.filter(id__in=id_list(numbers), finished_at__isnull=False).order_by()
    return [EndedMessage(*row) for row in rows.values_list(*EndedMessage._fields)]


def _count_keys(ended: Sequence[EndedMessage]) -> Counter[DeltaKey]:
    errors = _error_kinds([(one.id, one.reason) for one in ended if one.status in FAILURES])
    return Counter(
        DeltaKey(
            hour_of(one.finished_at),
            one.id // BLOCK,
            # A finished message that is claimed again was uncertain, and counts as such until it is settled.
            one.status if one.status in FINAL else Status.UNCERTAIN.value,
            one.template_id or 0,
            one.connection_id or 0,
            errors.get(one.id, ""),
            bucket_of((one.finished_at - one.created_at).total_seconds()) if one.status == Status.SENT else NO_BUCKET,
        )
        for one in ended
    )


def _error_kinds(failed: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Return the kind of error per message that failed or was partly sent (see `error_kinds`).

    Without a reply, that of the last attempt: what this side noticed, or how far it got.
    """
    found = {pk: error_kinds.error_kind(reason) for pk, reason in failed}
    without_code = [pk for pk, error in found.items() if not error]
    if without_code:
        attempts = Attempt.objects.filter(message_id__in=id_list(without_code)).order_by("id")
        # Of several attempts the last one wins.
        ends = {
            pk: explain(phase, code, "", "", fault=fault).key for pk, phase, code, fault in attempts.values_list(*END)
        }
        found |= {pk: ends.get(pk) or error_kinds.OTHER for pk in without_code}
    return found


def _insert_deltas(cells: Counter[DeltaKey], *, sign: int = 1) -> None:
    insert_rows(
        RollupDelta, ({**cell._asdict(), "count": sign * number} for cell, number in cells.items()), columns=COLUMNS
    )


# ---------------------------------------------------------------- rollups


def fold_deltas() -> int:
    """Fold the deltas into the rollups in short transactions, and return how many there were."""
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
    """Lock the rollups for the rest of this transaction. Returns False if another process folds or rebuilds them."""
    row = RollupLock.objects.select_for_update(skip_locked=True).filter(pk=RollupLock.KEY).first()
    if row is None:  # locked by another process, or not created yet
        RollupLock.objects.bulk_create([RollupLock(pk=RollupLock.KEY)], ignore_conflicts=True)
        row = RollupLock.objects.select_for_update(skip_locked=True).filter(pk=RollupLock.KEY).first()
    return row is not None and (row.rebuilding_until is None or row.rebuilding_until <= timezone.now())


def add_to_rollups(cells: Counter[DeltaKey]) -> None:
    """Add `cells` to the rollups per hour and per day, sorted by key to avoid deadlocks."""
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
    """Delete rollups that are older than 40 days, a few thousand per call, and return their number."""
    before = hour_of(now - RETENTION)
    deleted = WaitingPeak.objects.filter(hour__lt=before).delete()[0]
    for span in Rollup.Span:
        for kind in Rollup.Kind:
            old = Rollup.objects.filter(span=span, kind=kind, hour__lt=before).order_by("hour")
            ids = list(old.values_list("id", flat=True)[:DELETE_BATCH])
            deleted += Rollup.objects.filter(id__in=id_list(ids)).delete()[0] if ids else 0
    return deleted


def record_waiting(number: int, now: datetime) -> None:
    """Record the current number of waiting messages if it is the peak of its hour."""
    hour = hour_of(now)
    peak = WaitingPeak.objects.filter(hour=hour)
    if peak.filter(peak__lt=number).update(peak=number) or peak.exists():
        return
    WaitingPeak.objects.bulk_create([WaitingPeak(hour=hour, peak=number)], ignore_conflicts=True)
