"""Delivers what is due, or given messages at once, and makes held messages due when their connection opens.

Book before you dial: a message is claimed, its attempt counted and its lease set before anything touches the network,
and no transaction is open while it does. A worker whose claim has expired cannot overwrite what the next one recorded.
`mailadmin.delivery.drain` sends a batch, `mailadmin.delivery.retry` decides what a result means,
`mailadmin.connections.routing` which connection a message takes, and `mailadmin.connections.circuit_breaker` whether
that connection is open.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import cache

from mailadmin.connections.routing import Route, Router
from mailadmin.delivery import expired_leases
from mailadmin.delivery.drain import Drain
from maillog.outcomes import HeldGroup
from maillog.queue import claiming, process_claims, settling

logger = logging.getLogger(__name__)

draining = threading.Lock()  # one drain per process: a second one would only compete for the same database


def worker_name() -> str:
    """Return the name under which this process records its attempts: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"[:100]


def deliver_due(
    *, should_stop: Callable[[], bool] = lambda: False, wake_others: Callable[[], None] | None = None
) -> int:
    """Deliver every message that is due and return how many attempts were made.

    Returns 0 at once if another thread of this process is delivering; that thread then finds these messages, too.
    `should_stop` is asked before more messages are claimed; `wake_others` is called when there is work for more than
    one worker.
    """
    freeze_garbage_collector()
    make_due()
    attempts = 0
    while claiming.has_due() and draining.acquire(blocking=False):
        try:
            attempts += Drain(worker=worker_name(), should_stop=should_stop, wake_others=wake_others).run()
        finally:
            draining.release()
        if should_stop():
            break
    return attempts


@cache
def freeze_garbage_collector() -> None:
    """Exempt everything loaded so far from garbage collection.

    The collector would traverse all of it once per thousand messages (measured: 5 % of the time of a drain).
    """
    gc.collect()
    gc.freeze()


def make_due() -> bool:
    """Make messages of dead workers and of reopened connections due, and return whether anything is due."""
    expired_leases.recover_expired()
    process_claims.recover_dead()
    release_held()
    return claiming.has_due()


def deliver_these(ids: Sequence[int]) -> int:
    """Deliver those of the messages `ids` that are waiting, due or not, and return how many attempts were made."""
    return Drain(worker=worker_name()).run_these(ids)


def release_held() -> None:
    """Make held messages due whose connection is open again; the others continue to wait for theirs."""
    groups = settling.held_groups()
    if not groups:
        return
    router = Router(groups)
    settling.release_held([group for group in groups if has_route(router, group)])


def has_route(router: Router, group: HeldGroup) -> bool:
    """Return whether the connection of held messages is open. Those that it cannot be told of go on waiting."""
    try:
        return isinstance(router.route_for(group, content_timeout=0.0), Route)
    except Exception:
        logger.exception("The connection of the messages held for %r could not be found.", group.connection_hint)
        return False
