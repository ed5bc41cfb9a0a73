"""Counts the log anew into the sums of `maillog.statistics.rollups`, once, while mails are being sent.

Nobody adds differences to sums meanwhile. The log is read by blocks of ids. Of each block it is known which differences
had been written when it was read: those are in what was read, later ones are not. In the end, in one short transaction,
the old sums and the differences that were read go and the new sums take their place. What was removed from the log
cannot be counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connections, router, transaction
from django.db.models import Max, Q
from django.utils import timezone

from maillog.models import Message, Rollup, RollupDelta, RollupLock
from maillog.sql.batches import id_list
from maillog.statistics import rollups
from maillog.statistics.rollups import BLOCK, DeltaKey, EndedMessage

LEASE = timedelta(minutes=5)
DELETE_BATCH = 5_000


class RebuildInProgressError(Exception):
    """Somebody else counts the log at the moment, or took over because this one was too slow."""


def rebuild(progress: Callable[[int], object] = lambda _count: None) -> int:
    """Make the sums anew from the log, and return how many mails counted. Raises BeingRebuiltError.

    `progress` is told now and then how many mails that have ended were read.
    """
    until = _acquire_lease()
    before = newest_delta_id()
    read_up_to: dict[int, int] = {}
    cells: Counter[DeltaKey] = Counter()
    oldest = rollups.hour_of(timezone.now() - rollups.RETENTION)
    done = 0
    last = 0
    while (block := _next_block(last)) is not None:
        with transaction.atomic():
            _block_new_deltas()
            read_up_to[block] = newest_delta_id()
            rows = _load_block(block)
        for cell, count in rollups.count_ended(rows).items():
            if cell.hour >= oldest:
                cells[cell._replace(block=0)] += count
        done += len(rows)
        last = (block + 1) * BLOCK - 1
        progress(done)
        until = _renew_lease(until)
    _replace_rollups(cells, before, read_up_to, until)
    return sum(cells.values())


def newest_delta_id() -> int:
    """Return the highest number of a difference, 0 without any."""
    return int(RollupDelta.objects.aggregate(newest=Max("id"))["newest"] or 0)


def _acquire_lease() -> datetime:
    """Keep others from adding to the sums; whoever is adding at the moment ends first."""
    RollupLock.objects.bulk_create([RollupLock(pk=RollupLock.KEY)], ignore_conflicts=True)
    now = timezone.now()
    free = Q(rebuilding_until=None) | Q(rebuilding_until__lte=now)
    if not RollupLock.objects.filter(free, pk=RollupLock.KEY).update(rebuilding_until=now + LEASE):
        message = "The log is being counted already."
        raise RebuildInProgressError(message)
    return now + LEASE


def _renew_lease(until: datetime) -> datetime:
    if until - timezone.now() > LEASE / 2:
        return until
    later = timezone.now() + LEASE
    _set_lease(until, later)
    return later


def _set_lease(until: datetime, later: datetime | None) -> None:
    """Say until when the sums are ours now. A lease that ran out is lost: somebody may have added to the sums."""
    mine = RollupLock.objects.filter(pk=RollupLock.KEY, rebuilding_until=until)
    if not mine.filter(rebuilding_until__gt=timezone.now()).update(rebuilding_until=later):
        message = "Counting took too long, or somebody else began to count the log meanwhile."
        raise RebuildInProgressError(message)


def _next_block(last: int) -> int | None:
    """Return the first block with a mail beyond this id."""
    number = Message.objects.filter(id__gt=last).order_by("id").values_list("id", flat=True).first()
    return None if number is None else number // BLOCK


def _load_block(block: int) -> list[EndedMessage]:
    """Return those of the block that have ended."""
    rows = Message.objects.filter(id__gte=block * BLOCK, id__lt=(block + 1) * BLOCK, finished_at__isnull=False)
    return [EndedMessage(*row) for row in rows.order_by().values_list(*EndedMessage._fields)]


def _block_new_deltas() -> None:
    """Wait for those who are settling mails, and let others wait, for the length of this transaction.

    On SQLite a transaction is the only one that writes anyway.
    """
    connection = connections[router.db_for_write(RollupDelta)]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {connection.ops.quote_name(RollupDelta._meta.db_table)} IN SHARE MODE")


def _replace_rollups(cells: Counter[DeltaKey], before: int, read_up_to: dict[int, int], until: datetime) -> None:
    with transaction.atomic():
        _set_lease(until, None)
        Rollup.objects.all().delete()
        found = RollupDelta.objects.order_by("id").values_list("id", "block")
        counted = [pk for pk, block in found if pk <= read_up_to.get(block, before)]
        for start in range(0, len(counted), DELETE_BATCH):
            RollupDelta.objects.filter(id__in=id_list(counted[start : start + DELETE_BATCH])).delete()
        rollups.add_to_rollups(cells)
