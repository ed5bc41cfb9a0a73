"""The circuit breaker of each connection: open, paused with a reason, unreachable and probed, or at its limit.

A refused sign-in or a TLS failure would hit every message alike, so it pauses the *connection*: nothing fails,
everything waits, and a wrong password is not repeated until the account is locked. An unreachable host is probed by one
worker per interval, with growing intervals; meanwhile its messages wait without an attempt. A connection whose account
has reached a limit rests until the time that the server states, or that experience suggests. The state is in the
database, so what one worker finds holds for all. This module decides about connections, never about a message.
"""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext

from mailadmin.connections import account_rests, revealing, selection
from mailadmin.drivers import event_loop, registry
from mailadmin.errors import AccountLimited, ConnectFailed, DeliveryError, Phase, SignInRefused, TLSFailed
from mailadmin.incidents import detection
from mailadmin.models import ConnectionState
from maillog.text import fit
from secrets_app import vault
from secrets_app.vault import Connection

FIRST_PROBE_AFTER = timedelta(seconds=30)
MAX_PROBE_INTERVAL = timedelta(minutes=10)
CONNECTION_PHASES = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.EHLO, Phase.AUTH})
State = ConnectionState.State
PROBED = (State.UNREACHABLE, State.RESTING)


def concerns_connection(error: DeliveryError) -> bool:
    """Return whether `error` would have hit any message: before MAIL FROM, or about sign-in, TLS or the account."""
    return (
        isinstance(error, SignInRefused | TLSFailed | ConnectFailed | AccountLimited)
        or error.phase in CONNECTION_PHASES
    )


def needs_repair(error: DeliveryError) -> bool:
    """Return whether a person has to fix it: a refused sign-in, a TLS failure, a blocked account. 454 may pass.

    RFC 4954 section 6 and RFC 3207 section 4 use 454 for temporary failures; servers also send it after too many
    sign-ins.
    """
    return error.permanent and isinstance(error, SignInRefused | TLSFailed | AccountLimited)


def fingerprint(connection: Connection) -> str:
    """Return a digest that changes with the connection's settings, so that fixing them ends its pause."""
    parts: list[object] = [connection.revision, sorted(connection.fields.items()), sorted(connection.has)]
    if connection.is_from_environment:  # it has no revision number that a new password would change
        parts.append(revealing.secrets_digest(connection))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def unavailable(known: list[Connection]) -> dict[str, ConnectionState]:
    """Return the state of the connections that are not open, by id: one query.

    A connection whose settings have changed since it failed is opened again.
    """
    found = {row.connection: row for row in ConnectionState.objects.exclude(state=State.OPEN)}
    for connection in known:
        row = found.get(connection.id)
        if row and not row.paused_by and row.fingerprint != fingerprint(connection):
            reopen(row)
            del found[connection.id]
    return found


def record_failure(connection: Connection, error: DeliveryError) -> ConnectionState:
    """Record a failure of `connection` that concerns every message, and return its state."""
    now = timezone.now()
    row, _ = ConnectionState.objects.get_or_create(connection=connection.id, defaults={"name": connection.name})
    if row.paused_by:
        return row
    values: dict[str, Any] = {
        "name": connection.name,
        "reason": fit(str(error), 500),
        "since": row.since if row.state != State.OPEN and row.since else now,
        "fingerprint": fingerprint(connection),
    }
    if needs_repair(error):
        values |= {"state": State.PAUSED, "failures": row.failures + 1, "probe_at": None}
    elif isinstance(error, AccountLimited):
        if row.state == State.RESTING and row.probe_at and row.probe_at > now:
            return row  # from messages that were under way when the limit was met
        values |= {"state": State.RESTING, **account_rests.rest(connection, row, error, now)}
    else:
        failures = 1 if row.state == State.OPEN else row.failures + 1
        values |= {"state": State.UNREACHABLE, "failures": failures, "probe_at": now + probe_interval(failures)}
    ConnectionState.objects.filter(pk=row.pk, paused_by="").update(**values)
    until = values["probe_at"] if values["state"] == State.RESTING else None
    detection.connection_failed(connection, error, waits_until=until)
    row.refresh_from_db()
    return row


def probe_interval(failures: int) -> timedelta:
    """Return how long to wait before the next probe: doubled each time up to ten minutes, with 20 % jitter."""
    doubled: int = 1 << min(failures - 1, 10)
    longest = min(FIRST_PROBE_AFTER * doubled, MAX_PROBE_INTERVAL)
    jitter: float = random.uniform(0.8, 1.2)  # noqa: S311  (spreads load, guards nothing)
    return longest * jitter


def pause(connection: Connection, *, by: str, reason: str = "") -> None:
    """Pause `connection` by a person's decision; it stays paused until a person resumes it."""
    ConnectionState.objects.update_or_create(
        connection=connection.id,
        defaults={
            "name": connection.name,
            "state": State.PAUSED,
            "reason": reason or gettext("Paused by %s.") % by,
            "since": timezone.now(),
            "probe_at": None,
            "paused_by": by,
        },
    )


def resume(connection_id: str) -> bool:
    """Open the connection again, whatever closed it, and return whether it was closed."""
    row = ConnectionState.objects.filter(connection=connection_id).exclude(state=State.OPEN).first()
    if row:
        reopen(row)
    return row is not None


def reopen(row: ConnectionState) -> None:
    values: dict[str, Any] = {"state": State.OPEN, "reason": "", "since": None, "paused_by": ""}
    if row.state != State.RESTING:  # the next limit is met by what was learned from this one
        values |= {"failures": 0, "probe_at": None}
    ConnectionState.objects.filter(pk=row.pk).update(**values)


def is_probe_due() -> bool:
    return _due_probes(timezone.now()).exists()


def _due_probes(now: datetime) -> QuerySet[ConnectionState]:
    """Return the connections whose probe is due, and unreachable ones whose time was set by a clock that was ahead."""
    is_due = Q(state__in=PROBED, probe_at__lte=now)
    is_wrong = Q(state=State.UNREACHABLE, probe_at__gt=now + 2 * MAX_PROBE_INTERVAL)
    return ConnectionState.objects.filter(is_due | is_wrong)


def claim_due_probes(now: datetime | None = None) -> list[str]:
    """Return the ids of connections whose probe is due. Each id goes to one caller only."""
    now = now or timezone.now()
    claimed = []
    for row in _due_probes(now):
        booked = now + probe_interval(row.failures + 1)  # the next probe is booked before this one dials
        failures = F("failures") + int(row.state == State.UNREACHABLE)  # PostgreSQL adds no boolean
        taken = ConnectionState.objects.filter(pk=row.pk, probe_at=row.probe_at).update(
            probe_at=booked, failures=failures
        )
        if taken:
            claimed.append(row.connection)
    return claimed


def probe(connection_id: str) -> bool:
    """Connect and sign in; open the connection if that works. Returns whether it is open now."""
    connection = next((one for one in selection.connections() if one.id == connection_id), None)
    if connection is None:
        ConnectionState.objects.filter(connection=connection_id).delete()
        return False
    try:
        driver = registry.driver_for_kind(connection.kind)
        event_loop.run(driver.probe(revealing.revealed(connection)))
    except DeliveryError as error:
        if needs_repair(error):
            record_failure(connection, error)
        return False
    except vault.VaultError:
        return False
    row = ConnectionState.objects.filter(connection=connection_id).first()
    if not row or row.state != State.RESTING:  # that it signs in says nothing of a limit
        detection.connection_recovered(connection_id)
    return resume(connection_id)
