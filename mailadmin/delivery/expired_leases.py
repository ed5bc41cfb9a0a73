"""Decides when expired leases mean dead workers: not right after the clock has jumped.

A lease ends at a time on the wall clock. If that clock is set forward, if the machine slept, or if the database was
down for long, the leases of living workers expire as well, although they are about to renew them or to record what they
sent. Taking their messages then would send them twice, so a worker that notices such a gap waits until living workers
have reported.
"""

from __future__ import annotations

import threading
import time

from mailadmin.delivery import drain
from maillog.queue import claiming

JUMP_SECONDS = 5.0  # more than clocks are corrected by without being set
MAX_GAP_SECONDS = 45.0  # between two checks: a lease is good for at least 60 seconds at any moment


class ClockWatch:
    """Compares the wall clock with the monotonic clock, and the time of each check with the one before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.checked: float | None = None
        self.offset = 0.0  # of the wall clock from the monotonic clock
        self.distrusted_until = 0.0

    def trusts_leases(self) -> bool:
        """Record a check, and return whether an expired lease means a dead worker."""
        with self.lock:
            now = time.monotonic()
            offset = time.time() - now
            if self.checked is not None and (
                offset - self.offset > JUMP_SECONDS or now - self.checked > MAX_GAP_SECONDS
            ):
                self.distrusted_until = now + 1.5 * drain.RENEW_SECONDS
            self.checked, self.offset = now, offset
            return now >= self.distrusted_until


watch = ClockWatch()


def recover_expired() -> int:
    """Make the messages of dead workers due, unless it is too early to tell who is dead; return how many there were."""
    claiming.has_due()  # raises while the database is down: a check that failed does not count
    return claiming.recover_expired() if watch.trusts_leases() else 0
