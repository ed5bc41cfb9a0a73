"""When mails whose lease ran out may be taken for those of a dead worker: not right after the clock jumped.

A lease is a time on the wall clock. If that clock is set forward, if the machine slept, or if the database was away for
long, the leases of living workers run out as well, though they are about to renew them or to record what they sent.
Taking their mails then would send them twice; so whoever notices such a gap waits until the living have reported back.
"""

from __future__ import annotations

import threading
import time

from mailadmin.delivery import drain
from maillog.queue import claiming

JUMP_SECONDS = 5.0  # more than clocks are corrected by without being set
MAX_GAP_SECONDS = 45.0  # without a look: a lease is good for at least 60 seconds at any moment


class ClockWatch:
    """Compares the wall clock with the monotonic one, and each look with the one before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.looked: float | None = None
        self.offset = 0.0  # of the wall clock to the monotonic one
        self.quiet_until = 0.0

    def trusts_leases(self) -> bool:
        """Note that somebody looks now; return whether a lease that has run out means a dead worker."""
        with self.lock:
            now = time.monotonic()
            offset = time.time() - now
            if self.looked is not None and (offset - self.offset > JUMP_SECONDS or now - self.looked > MAX_GAP_SECONDS):
                self.quiet_until = now + 1.5 * drain.RENEW_SECONDS
            self.looked, self.offset = now, offset
            return now >= self.quiet_until


watch = ClockWatch()


def recover_expired() -> int:
    """Make the mails of dead workers due, unless it is too early to say who is dead; return how many there were."""
    claiming.has_due()  # while the database is away this raises, and what did not succeed is no look
    return claiming.recover_expired() if watch.trusts_leases() else 0
