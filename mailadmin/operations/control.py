"""What people do about delivery: retry and cancel mails, pause, resume and probe connections, and wake the worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from mailadmin.connections import circuit_breaker
from mailadmin.delivery import deliver
from mailadmin.delivery.wakeup import wake_worker
from mailadmin.models import ConnectionState
from maillog.models import Status
from maillog.queue import actions
from maillog.queue.actions import RetryResult, Selection
from maillog.queue.waiting import held_by_connection
from maillog.search.counts import Count
from secrets_app import vault
from secrets_app.vault import Connection

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

State = ConnectionState.State
MAX_PER_REQUEST = 50_000  # mails that one request touches at most; it takes some seconds


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """How one connection is doing, for people. `paused_by` is empty where its own trouble closed it."""

    id: str
    name: str
    state: ConnectionState.State
    reason: str = ""
    since: datetime | None = None
    paused_by: str = ""
    probe_at: datetime | None = None
    held: Count | None = None

    @property
    def is_open(self) -> bool:
        """Whether mails go through."""
        return self.state == State.OPEN

    @property
    def can_be_probed(self) -> bool:
        """Whether trying the connection could open it: not where somebody decided that it is closed."""
        return not self.is_open and not self.paused_by


def connection_statuses() -> list[ConnectionStatus]:
    """Return every connection with its state, in the order of the vault: seven queries, however many there are."""
    states = {row.connection: row for row in ConnectionState.objects.exclude(state=State.OPEN)}
    held = held_by_connection() if states else {}
    return [status_of(one, states.get(one.id), held.get(one.name)) for one in vault.connections()]


def closed_connections() -> list[ConnectionStatus]:
    """Return the connections that let no mails through: one query while all are open."""
    if not ConnectionState.objects.exclude(state=State.OPEN).exists():
        return []
    return [one for one in connection_statuses() if not one.is_open]


def status_of(connection: Connection, row: ConnectionState | None, held: Count | None) -> ConnectionStatus:
    """Return the line of one connection; no row means open."""
    if row is None:
        return ConnectionStatus(connection.id, connection.name, State.OPEN)
    return ConnectionStatus(
        id=connection.id,
        name=connection.name,
        state=State(row.state),
        reason=row.reason,
        since=row.since,
        paused_by=row.paused_by,
        probe_at=row.probe_at,
        held=held,
    )


def find_connection(id_or_name: str) -> Connection | None:
    """Return the connection of that id, or of that name in any case, or None."""
    known = vault.connections()
    wanted = id_or_name.casefold()
    by_id = next((one for one in known if one.id == wanted), None)
    return by_id or next((one for one in known if one.name.casefold() == wanted), None)


def retry(which: Sequence[int] | Selection, *, most: int | None = None, actor: User | None = None) -> RetryResult:
    """Make mails due now and wake the worker; of a whole selection about `most`, oldest first. The trail tells."""
    match which:
        case Selection():
            done = actions.retry_all(which, most=most, actor=actor)
        case _:
            done = actions.retry_now(which, actor=actor)
    if done.due:
        wake_worker()
    return done


def cancel(which: Sequence[int] | Selection, *, by: str, most: int | None = None, actor: User | None = None) -> int:
    """Cancel mails and return how many; of a whole selection about `most`, oldest first. The trail tells."""
    reason = gettext("Cancelled by %s.") % by
    if isinstance(which, Selection):
        return actions.cancel_all(which, reason=reason, most=most, actor=actor)
    return actions.cancel(which, reason=reason, actor=actor)


def pause(connection: Connection, *, by: str) -> bool:
    """Let no mail through until somebody resumes. Returns False if somebody had paused it already."""
    if ConnectionState.objects.filter(connection=connection.id, state=State.PAUSED).exclude(paused_by="").exists():
        return False
    circuit_breaker.pause(connection, by=by[:254])
    return True


def resume(connection: Connection) -> bool:
    """Open the connection, whatever closed it, and let its mails go on. Returns False if it was open."""
    was_closed = circuit_breaker.resume(connection.id)
    release(connection)
    return was_closed


def probe(connection: Connection) -> ConnectionStatus:
    """Look now whether the connection answers and signs in, and let its mails go on if so. Returns how it is then.

    Takes up to the connection's timeout. A connection that is open, or that somebody paused, is left alone.
    """
    before = status_of(connection, stored_state(connection), None)
    if not before.can_be_probed:
        return before
    if circuit_breaker.probe(connection.id):
        release(connection)
    return status_of(connection, stored_state(connection), None)


def stored_state(connection: Connection) -> ConnectionState | None:
    """Return the stored state, or None while there never was trouble."""
    return ConnectionState.objects.filter(connection=connection.id).first()


def release(connection: Connection) -> None:
    """Make due what was held for the connection, and wake the worker."""
    deliver.release_held()
    actions.retry_all(Selection(statuses=(Status.HELD,), connection=connection.name))
    wake_worker()
