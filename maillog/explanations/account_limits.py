"""Limits of an account: whether a reply speaks of one, and when sending may be tried again. Pure.

A limit is about the account, not about the message that met it: the message waits, and so does everything else that
would go through the same connection.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from maillog.explanations.known_replies import DAY, HOUR, MINUTE, SECOND, UNKNOWN
from maillog.explanations.refusals import Diagnosis, diagnose

LIMITS = frozenset({"sending-limit", "too-many-connections", "unusual-activity", "too-many-sign-ins"})
BLOCKED = "account-blocked"  # ends only when a person has settled it with the provider

# How long sending rests after a limit in a window of this length, first and at most: doubled each time that the limit
# is still met. A limit that counts in a sliding window gives way little by little, and one that counts by the clock at
# the full hour or at midnight of an unknown place, so that trying again from time to time is better than reckoning.
RESTS = {
    SECOND: (timedelta(seconds=10), timedelta(minutes=1)),
    MINUTE: (timedelta(minutes=1), timedelta(minutes=10)),
    HOUR: (timedelta(minutes=15), timedelta(hours=1)),
    DAY: (timedelta(hours=1), timedelta(hours=4)),
    UNKNOWN: (timedelta(minutes=15), timedelta(hours=4)),
}
SHORTEST, LONGEST = timedelta(seconds=10), timedelta(hours=48)  # of a rest that a reply states

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(
    r"\b(?:again|retry|wait|resets?|after|in|for)\b[^\d.]{0,30}(\d{1,6}(?:\.\d{1,4})?) ?"
    r"(seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?|d)\b"
)
_ISO_TIME = re.compile(
    r"\b\d{4}-\d\d-\d\d[t ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?: ?(?:z|utc|gmt|[+-]\d\d:?\d\d))?", re.IGNORECASE
)
_MAIL_TIME = re.compile(
    r"(?:[a-z]{3}, )?\d{1,2} [a-z]{3} \d{4} \d\d:\d\d(?::\d\d)?(?: (?:[a-z]{3}|[+-]\d{4}))?", re.IGNORECASE
)


def account_limit(code: int | None, enhanced_code: str, reply: str) -> Diagnosis | None:
    """Return the diagnosis of a reply that speaks of a limit of the account, or of its being blocked, else None."""
    found = diagnose(code, enhanced_code, reply)
    return found if found.key in LIMITS or found.key == BLOCKED else None


def rest_until(window: str, reply: str, *, strikes: int, now: datetime) -> datetime:
    """Return when sending may be tried again: as the reply says, else by the window of the limit.

    `strikes`: how often in a row the limit has been met, 1 for the first time.
    """
    if stated := stated_end(reply, now):
        return stated
    first, longest = RESTS.get(window, RESTS[UNKNOWN])
    doublings: int = 1 << min(max(strikes, 1) - 1, 10)
    return now + min(first * doublings, longest)


def stated_end(reply: str, now: datetime) -> datetime | None:
    """Return the end of a limit that a reply states ("try again in 92 seconds", a time with its day), else None.

    At least ten seconds and at most two days from now; other times are not believed.
    """
    if found := _DURATION.search(reply.lower()):
        return _believable(now + timedelta(seconds=float(found[1]) * _UNITS[found[2][0]]), now)
    for pattern, parse in ((_ISO_TIME, _parse_iso), (_MAIL_TIME, parsedate_to_datetime)):
        if found := pattern.search(reply):
            try:
                at = parse(found[0])
            except ValueError:
                return None
            return _believable(at if at.tzinfo else at.replace(tzinfo=UTC), now)
    return None


def _parse_iso(text: str) -> datetime:
    return datetime.fromisoformat(re.sub(r" ?(?:z|utc|gmt)$", "+00:00", text, flags=re.IGNORECASE))


def _believable(at: datetime, now: datetime) -> datetime | None:
    return max(at, now + SHORTEST) if now - LONGEST < at <= now + LONGEST else None
