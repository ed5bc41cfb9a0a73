"""How long a connection rests whose account has reached a limit, and what that teaches about the limit."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from maillog.explanations import account_limits
from maillog.explanations.known_replies import DAY, HOUR, MINUTE, UNKNOWN
from maillog.statistics import queries

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from mailadmin.errors import AccountLimited
    from mailadmin.models import ConnectionState
    from secrets_app.vault import Connection

AGAIN_WITHIN = timedelta(minutes=15)  # after a rest: meeting the limit again counts as the same occasion
# "(150/150 (100%)) allowed", "250 recipients out of 250 allowed"
_STATED_COUNT = re.compile(r"\(\d{1,9}/(\d{1,9})\b|out of (\d{1,9}) allowed")
RATES = {MINUTE: "per_minute", HOUR: "per_hour", DAY: "per_day"}  # window -> field of a connection
RATE_TEXTS: dict[str, _StrPromise] = {
    "per_minute": _("%s messages per minute"),
    "per_hour": _("%s messages per hour"),
    "per_day": _("%s messages per day"),
}


def rest(connection: Connection, row: ConnectionState, error: AccountLimited, now: datetime) -> dict[str, Any]:
    """Return the columns of `row` for a connection that has met a limit just now: until when it rests, and the rate."""
    found = account_limits.account_limit(error.code, error.enhanced_code, error.reply)
    window = found.row.window if found and found.row else UNKNOWN
    has_rested = row.state != row.State.UNREACHABLE and row.failures > 0 and row.probe_at is not None
    is_again = has_rested and row.probe_at is not None and now - row.probe_at < AGAIN_WITHIN
    strikes = row.failures + 1 if is_again else 1
    learned = {} if is_again else learned_rate(connection, window, error.reply, now)
    until = account_limits.rest_until(window, error.reply, strikes=strikes, now=now)
    return {"failures": strikes, "probe_at": until, **learned}


def learned_rate(connection: Connection, window: str, reply: str, now: datetime) -> dict[str, Any]:
    """Return the columns of the rate that the limit teaches: as the reply states, else what got through before it.

    Statistics count by the hour, so that a count of what got through is rough, and one by the minute is not made.
    """
    rate = RATES.get(window)
    if rate is None:
        return {}
    stated = _STATED_COUNT.search(reply)
    if stated:
        count = int(stated[1] or stated[2])
    elif window in (HOUR, DAY):
        count = queries.sent_through(connection.name, hours=24 if window == DAY else 1, now=now)
    else:
        count = 0
    return {"learned_rate": rate, "learned_count": count} if count else {}
