"""Delivering: what is due, what somebody asked for now, and the rounds that keep both going.

Book before you dial: a mail is claimed, its attempt counted and its claim's end set, before anything touches the
network, and no transaction is open while it does. A claim that ran out cannot overwrite what the next one recorded. How
a batch is sent is `mailadmin.delivery.drain`, what a result means `mailadmin.delivery.retry`, which connection it takes
`mailadmin.connections.routing`, and whether that lets mails through `mailadmin.connections.circuit_breaker`.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import cache

from mailadmin.connections import circuit_breaker
from mailadmin.connections.routing import Route, Router
from mailadmin.delivery import expired_leases
from mailadmin.delivery.drain import Drain
from maillog.queue import claiming, settling

draining = threading.Lock()  # one drain a process: a second one would only compete for the same database


def worker_name() -> str:
    """Return the name under which this process records its attempts: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"[:100]


def deliver_due(
    *, should_stop: Callable[[], bool] = lambda: False, call_others: Callable[[], None] | None = None
) -> int:
    """Deliver every mail that is due and return how many attempts were made.

    Returns 0 at once if another thread of this process is at it, which then finds these mails, too. `should_stop` is
    asked before more mails are taken; `call_others` is called when there is work for more than one worker.
    """
    freeze_garbage_collector()
    expired_leases.recover_expired()
    release_held()
    attempts = 0
    while claiming.has_due() and draining.acquire(blocking=False):
        try:
            attempts += Drain(worker=worker_name(), should_stop=should_stop, call_others=call_others).run()
        finally:
            draining.release()
        if should_stop():
            break
    return attempts


@cache
def freeze_garbage_collector() -> None:
    """Let Python's collector of cycles never again look at what the process has loaded by now.

    It would walk all of it once in a thousand mails (measured: 5 % of the time of a drain).
    """
    gc.collect()
    gc.freeze()


def deliver_these(ids: Sequence[int]) -> int:
    """Deliver the waiting ones among the mails `ids` now, due or not, and return how many attempts were made."""
    return Drain(worker=worker_name()).run_these(ids)


def release_held() -> None:
    """Make the held mails due that a connection is open for again; those of another one go on waiting for it."""
    kinds = settling.held_groups()
    if not kinds:
        return
    router = Router(kinds)
    settling.release_held([kind for kind in kinds if isinstance(router.way(kind, patience=0.0), Route)])


def probe_connections() -> None:
    """Look after unreachable connections whose time has come; mails that waited for one that answers are due then."""
    if [one for one in circuit_breaker.claim_due_probes() if circuit_breaker.probe(one)]:
        release_held()
