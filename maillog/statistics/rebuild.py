"""Rebuilds the rollups of `maillog.statistics.rollups` from the log while messages are being sent.

Deltas are not folded meanwhile. The log is read in blocks of ids. For each block it is known which deltas had been
written when it was read: those are part of what was read, later ones are not. Finally, in one short transaction, the
old rollups and the deltas that were read are replaced by the new rollups. Messages deleted from the log cannot be
counted.
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
    """Another process is rebuilding, or took over because this one was too slow."""


def rebuild(progress: Callable[[int], object] = lambda _count: None) -> int:
    """Rebuild the rollups from the log, and return how many messages they count. Raises RebuildInProgressError.

    `progress` is called from time to time with the number of finished messages read so far.
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
    return int(RollupDelta.objects.aggregate(newest=Max("id"))["newest"] or 0)


def _acquire_lease() -> datetime:
    """Stop other processes from folding deltas, after the one that may be doing so now."""
    RollupLock.objects.bulk_create([RollupLock(pk=RollupLock.KEY)], ignore_conflicts=True)
    now = timezone.now()
    free = Q(rebuilding_until=None) | Q(rebuilding_until__lte=now)
    if not RollupLock.objects.filter(free, pk=RollupLock.KEY).update(rebuilding_until=now + LEASE):
        message = "The statistics are being rebuilt already."
        raise RebuildInProgressError(message)
    return now + LEASE


def _renew_lease(until: datetime) -> datetime:
    if until - timezone.now() > LEASE / 2:
        return until
    later = timezone.now() + LEASE
    _set_lease(until, later)
    return later


def _set_lease(until: datetime, later: datetime | None) -> None:
    """Set the end of our lease. Once expired it cannot be renewed: another process may have folded deltas since."""
    lease = RollupLock.objects.filter(pk=RollupLock.KEY, rebuilding_until=until)
    if not lease.filter(rebuilding_until__gt=timezone.now()).update(rebuilding_until=later):
        message = "Rebuilding took too long, or another process began to rebuild the statistics in the meantime."
        raise RebuildInProgressError(message)


def _next_block(last: int) -> int | None:
    """Return the first block with a message above this id."""
    number = Message.objects.filter(id__gt=last).order_by("id").values_list("id", flat=True).first()
    return None if number is None else number // BLOCK


def _load_block(block: int) -> list[EndedMessage]:
    """Return the finished messages of the block."""
    rows = Message.objects.filter(id__gte=block * BLOCK, id__lt=(block + 1) * BLOCK, finished_at__isnull=False)
    return [EndedMessage(*row) for row in rows.order_by().values_list(*EndedMessage._fields)]


def _block_new_deltas() -> None:
    """Wait for running transactions that write deltas, and block new ones until the end of this transaction.

    On SQLite the transaction is the only one that writes anyway.
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
