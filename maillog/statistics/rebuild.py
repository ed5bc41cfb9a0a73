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

from maillog.models import Message, Tally, TallyDelta, TallyKeeping
from maillog.sql.batches import among
from maillog.statistics import rollups
from maillog.statistics.rollups import BLOCK, Cell, Ended

LEASE = timedelta(minutes=5)
DELETED_AT_ONCE = 5_000


class BeingRebuiltError(Exception):
    """Somebody else counts the log at the moment, or took over because this one was too slow."""


def rebuild(progress: Callable[[int], object] = lambda _count: None) -> int:
    """Make the sums anew from the log, and return how many mails counted. Raises BeingRebuiltError.

    `progress` is told now and then how many mails that have ended were read.
    """
    until = _begin()
    before = newest_delta()
    read_up_to: dict[int, int] = {}
    cells: Counter[Cell] = Counter()
    oldest = rollups.hour_of(timezone.now() - rollups.KEPT)
    done = 0
    last = 0
    while (block := _next_block(last)) is not None:
        with transaction.atomic():
            _let_nobody_note()
            read_up_to[block] = newest_delta()
            rows = _block(block)
        for cell, count in rollups.cells_of(rows).items():
            if cell.hour >= oldest:
                cells[cell._replace(block=0)] += count
        done += len(rows)
        last = (block + 1) * BLOCK - 1
        progress(done)
        until = _renewed(until)
    _put_in_place(cells, before, read_up_to, until)
    return sum(cells.values())


def newest_delta() -> int:
    """Return the highest number of a difference, 0 without any."""
    return int(TallyDelta.objects.aggregate(newest=Max("id"))["newest"] or 0)


def _begin() -> datetime:
    """Keep others from adding to the sums; whoever is adding at the moment ends first."""
    TallyKeeping.objects.bulk_create([TallyKeeping(pk=TallyKeeping.KEY)], ignore_conflicts=True)
    now = timezone.now()
    free = Q(rebuilding_until=None) | Q(rebuilding_until__lte=now)
    if not TallyKeeping.objects.filter(free, pk=TallyKeeping.KEY).update(rebuilding_until=now + LEASE):
        message = "The log is being counted already."
        raise BeingRebuiltError(message)
    return now + LEASE


def _renewed(until: datetime) -> datetime:
    if until - timezone.now() > LEASE / 2:
        return until
    later = timezone.now() + LEASE
    _go_on(until, later)
    return later


def _go_on(until: datetime, later: datetime | None) -> None:
    """Say until when the sums are ours now. A lease that ran out is lost: somebody may have added to the sums."""
    mine = TallyKeeping.objects.filter(pk=TallyKeeping.KEY, rebuilding_until=until)
    if not mine.filter(rebuilding_until__gt=timezone.now()).update(rebuilding_until=later):
        message = "Counting took too long, or somebody else began to count the log meanwhile."
        raise BeingRebuiltError(message)


def _next_block(last: int) -> int | None:
    """Return the first block with a mail beyond this id."""
    number = Message.objects.filter(id__gt=last).order_by("id").values_list("id", flat=True).first()
    return None if number is None else number // BLOCK


def _block(block: int) -> list[Ended]:
    """Return those of the block that have ended."""
    rows = Message.objects.filter(id__gte=block * BLOCK, id__lt=(block + 1) * BLOCK, finished_at__isnull=False)
    return [Ended(*row) for row in rows.order_by().values_list(*Ended._fields)]


def _let_nobody_note() -> None:
    """Wait for those who are settling mails, and let others wait, for the length of this transaction.

    On SQLite a transaction is the only one that writes anyway.
    """
    connection = connections[router.db_for_write(TallyDelta)]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {connection.ops.quote_name(TallyDelta._meta.db_table)} IN SHARE MODE")


def _put_in_place(cells: Counter[Cell], before: int, read_up_to: dict[int, int], until: datetime) -> None:
    with transaction.atomic():
        _go_on(until, None)
        Tally.objects.all().delete()
        found = TallyDelta.objects.order_by("id").values_list("id", "block")
        counted = [pk for pk, block in found if pk <= read_up_to.get(block, before)]
        for start in range(0, len(counted), DELETED_AT_ONCE):
            TallyDelta.objects.filter(id__in=among(counted[start : start + DELETED_AT_ONCE])).delete()
        rollups.add(cells)
