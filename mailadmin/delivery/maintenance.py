"""The regular work beside delivery: probing connections that were unreachable, and keeping the statistics."""

from __future__ import annotations

from django.utils import timezone

from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver
from maillog.search.counts import count_unfinished
from maillog.statistics import rollups


def probe_connections() -> None:
    """Probe the unreachable connections whose time has come, and release what those that answer held."""
    if [one for one in circuit_breaker.claim_due_probes() if circuit_breaker.probe(one)]:
        deliver.release_held()


def update_statistics() -> None:
    """Add what has ended since the last call to the statistics, and record how many messages are waiting."""
    rollups.fold_deltas()
    rollups.record_waiting(count_unfinished(), timezone.now())
