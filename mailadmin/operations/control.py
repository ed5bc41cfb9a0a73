"""Manual control of delivery: retry and cancel messages; pause, resume and probe connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext

from mailadmin.connections import circuit_breaker, selection
from mailadmin.connections.account_rests import RATE_TEXTS
from mailadmin.delivery import deliver, heartbeats
from mailadmin.delivery.wakeup import wake_worker
from mailadmin.models import ConnectionState
from maillog import audit_log
from maillog.models import Status
from maillog.queue import actions
from maillog.queue.actions import RetryResult, Selection
from maillog.queue.waiting import held_by_connection
from maillog.search.counts import Count
from secrets_app.vault import Connection

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

State = ConnectionState.State
MAX_PER_REQUEST = 50_000  # messages; they take a few seconds


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """The state of one connection as pages show it. `paused_by` is empty where a failure closed it."""

    id: str
    name: str
    state: ConnectionState.State
    reason: str = ""
    since: datetime | None = None
    paused_by: str = ""
    probe_at: datetime | None = None
    learned: str = ""  # the rate at which the account met its limit, in words,
    learned_query: str = ""  # and as the query of the secret's page, which fills it in; empty without such a page
    held: Count | None = None
    in_hand: int = 0  # messages that workers had begun when they were to give them back

    @property
    def is_open(self) -> bool:
        return self.state == State.OPEN

    @property
    def can_be_probed(self) -> bool:
        """Whether a probe could open the connection: not where a person closed it."""
        return not self.is_open and not self.paused_by


def connection_statuses() -> list[ConnectionStatus]:
    """Return all connections in the order of the vault: eight queries, however many there are."""
    states = {row.connection: row for row in ConnectionState.objects.exclude(state=State.OPEN, learned_rate="")}
    held = held_by_connection() if states else {}
    in_hand = heartbeats.in_hand()
    return [
        replace(status_of(one, states.get(one.id), held.get(one.name)), in_hand=in_hand.get(one.id, 0))
        for one in selection.connections()
    ]


def closed_connections() -> list[ConnectionStatus]:
    """Return the connections that are not open: one query while all are open."""
    if not ConnectionState.objects.exclude(state=State.OPEN).exists():
        return []
    return [one for one in connection_statuses() if not one.is_open]


def closed_line(name: str) -> ConnectionStatus | None:
    """Return the status of the connection of that name if it is not open: one query while all are open."""
    return next((one for one in closed_connections() if one.name == name), None)


def status_of(connection: Connection, row: ConnectionState | None, held: Count | None) -> ConnectionStatus:
    """Return the status of one connection; no row means open."""
    if row is None:
        return ConnectionStatus(connection.id, connection.name, State.OPEN)
    rate, is_new = row.learned_rate, bool(row.learned_rate and not connection.fields.get(row.learned_rate))
    return ConnectionStatus(
        id=connection.id,
        name=connection.name,
        state=State(row.state),
        reason=row.reason,
        since=row.since,
        paused_by=row.paused_by,
        probe_at=row.probe_at,
        learned=str(RATE_TEXTS[rate]) % intcomma(row.learned_count) if is_new else "",
        learned_query=f"?{rate}={row.learned_count}#id_{rate}" if is_new and not connection.is_from_environment else "",
        held=held,
    )


def find_connection(id_or_name: str) -> Connection | None:
    """Return the connection with that id, or with that name in any case, or None."""
    known = selection.connections()
    wanted = id_or_name.casefold()
    by_id = next((one for one in known if one.id == wanted), None)
    return by_id or next((one for one in known if one.name.casefold() == wanted), None)


def retry(which: Sequence[int] | Selection, *, limit: int | None = None, actor: User | None = None) -> RetryResult:
    """Make messages due now and wake a worker; of a selection about `limit`, oldest first. The audit log records it."""
    match which:
        case Selection():
            done = actions.retry_all(which, limit=limit, actor=actor)
        case _:
            done = actions.retry_now(which, actor=actor)
    if done.due:
        wake_worker()
    return done


def cancel(which: Sequence[int] | Selection, *, by: str, limit: int | None = None, actor: User | None = None) -> int:
    """Cancel messages and return how many; of a selection about `limit`, oldest first. The audit log records it."""
    reason = gettext("Cancelled by %s.") % by
    if isinstance(which, Selection):
        return actions.cancel_all(which, reason=reason, limit=limit, actor=actor)
    return actions.cancel(which, reason=reason, actor=actor)


def pause(connection: Connection, *, by: str, actor: User | None = None) -> bool:
    """Pause the connection until a person resumes it. Returns False if a person had paused it already."""
    if ConnectionState.objects.filter(connection=connection.id, state=State.PAUSED).exclude(paused_by="").exists():
        return False
    circuit_breaker.pause(connection, by=by[:254])
    audit_log.record_target(audit_log.Action.PAUSED, connection.name, actor=actor, name=by)
    return True


def resume(connection: Connection, *, by: str, actor: User | None = None) -> bool:
    """Open the connection, whatever closed it, and release its messages. Returns False if it was open."""
    was_closed = circuit_breaker.resume(connection.id)
    if was_closed:
        audit_log.record_target(audit_log.Action.RESUMED, connection.name, actor=actor, name=by)
    release(connection)
    return was_closed


def probe(connection: Connection) -> ConnectionStatus:
    """Connect and sign in now, open the connection and release its messages if that works, and return its status.

    Takes up to the connection's timeout. A connection that is open, or that a person paused, is not probed.
    """
    before = status_of(connection, stored_state(connection), None)
    if not before.can_be_probed:
        return before
    if circuit_breaker.probe(connection.id):
        release(connection)
    return status_of(connection, stored_state(connection), None)


def stored_state(connection: Connection) -> ConnectionState | None:
    """Return the stored state, or None if the connection has never failed."""
    return ConnectionState.objects.filter(connection=connection.id).first()


def release(connection: Connection) -> None:
    """Make the connection's held messages due, and wake a worker."""
    deliver.release_held()
    actions.retry_all(Selection(statuses=(Status.HELD,), connection=connection.name))
    wake_worker()
