"""Connections: each waits for its client no longer than allowed, and of one client there are only so many.

A connection waits for its client while a request or its body has not arrived whole, and while an answer has not been
taken in. Of those that do, the one that has waited longest is closed when a limit is exceeded: a new visitor from the
same address is let in even then.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from h11 import LocalProtocolError
from uvicorn.protocols.http.h11_impl import H11Protocol

from config.webserver.limits import Limits


def client_key(address: str) -> str:
    """Return what `address` is counted by: itself, or its /64 network, which belongs to one client."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class Connections:
    """The connections of a process that wait for their clients, each client's and all in the order of their waiting."""

    def __init__(self, limits: Limits, is_proxy: Callable[[str], bool]) -> None:
        self.limits = limits
        self.is_proxy = is_proxy
        self.all: dict[LimitedConnection, None] = {}
        self.by_client: defaultdict[str, dict[LimitedConnection, None]] = defaultdict(dict)

    def add(self, connection: LimitedConnection) -> None:
        """Let `connection` wait, as the newest. A proxy in front has as many connections as it wants."""
        self.remove(connection)
        self.all[connection] = None
        self.by_client[connection.key][connection] = None
        if len(self.by_client[connection.key]) > self.limits.connections_per_client and not self.is_proxy(
            connection.peer
        ):
            self._close_first(self.by_client[connection.key])
        elif len(self.all) > self.limits.connections:
            self._close_first(self.all)

    def remove(self, connection: LimitedConnection) -> None:
        """Forget `connection`, which waits no longer."""
        self.all.pop(connection, None)
        of_client = self.by_client.get(connection.key)
        if of_client is not None:
            of_client.pop(connection, None)
            if not of_client:
                del self.by_client[connection.key]

    def _close_first(self, waiting: dict[LimitedConnection, None]) -> None:
        oldest = next(iter(waiting))
        self.remove(oldest)
        oldest.transport.abort()


class LimitedConnection(H11Protocol):
    """One connection. Every moment at which it waits for its client has an end."""

    def __init__(self, *arguments: Any, connections: Connections, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.waiting = connections
        self.limits = connections.limits
        self.peer = self.key = ""
        self.deadline: asyncio.TimerHandle | None = None
        self.in_headers = False
        self.app = functools.partial(self.app, connection=self)

    @property
    def is_lost(self) -> bool:
        return self.transport.is_closing()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        self.key = client_key(self.peer)
        self.waiting.add(self)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self._unset_keepalive_if_required()
        self.waiting.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.timeout_keep_alive_task is not None and self.deadline is None:  # the first octets of a further request
            self._expect_headers()
        super().data_received(data)

    def work(self) -> None:
        """The request has arrived: from now on the client waits for us."""
        self._stop_clock()
        self.waiting.remove(self)

    def wait_for_client(self) -> None:
        """The client's turn: for the rest of a request, or to take in an answer. The caller sets the time for it."""
        self._stop_clock()
        if not self.is_lost:
            self.waiting.add(self)

    def give_up(self) -> None:
        """Close the connection at once, whatever was still to be said."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # uvicorn then expects no answer
        self.transport.abort()

    def on_response_complete(self) -> None:
        self.wait_for_client()
        super().on_response_complete()
        if self.is_lost:  # what is still in the buffer does not stay there for ever
            self.deadline = self.loop.call_later(self.limits.piece_seconds, self.transport.abort)

    def shutdown(self) -> None:
        """The process stops: a request that has not arrived whole is not waited for, an answer on its way is."""
        cycle = self.cycle
        if cycle is None or (self in self.waiting.all and not cycle.response_started):
            self.transport.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        try:
            super().send_400_response(msg)
        except LocalProtocolError:  # it came in the middle of an answer
            self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()  # not close(), which waits for the client to take in what is left

    def _expect_headers(self) -> None:
        self._stop_clock()
        self.deadline = self.loop.call_later(self.limits.header_seconds, self.transport.abort)

    def _stop_clock(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
