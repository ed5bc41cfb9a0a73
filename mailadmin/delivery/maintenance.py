"""The regular work beside delivery: probing connections that were unreachable, and keeping the statistics."""

from __future__ import annotations

import logging

from django.utils import timezone

from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver
from mailadmin.delivery.database_retry import DATABASE_DOWN
from maillog.search.counts import count_unfinished
from maillog.statistics import rollups

logger = logging.getLogger(__name__)


def probe_connections() -> None:
    """Probe the unreachable connections whose time has come, and release what those that answer held."""
    if [one for one in circuit_breaker.claim_due_probes() if probe(one)]:
        deliver.release_held()


def probe(connection_id: str) -> bool:
    """Probe one connection and return whether it is open; what its driver raises costs no other its probe."""
    try:
        return circuit_breaker.probe(connection_id)
    except DATABASE_DOWN:
        raise
    except Exception:
        logger.exception("The connection %s could not be probed.", connection_id)
        return False


def update_statistics() -> None:
    """Add what has ended since the last call to the statistics, and record how many messages are waiting."""
    rollups.fold_deltas()
    rollups.record_waiting(count_unfinished(), timezone.now())
