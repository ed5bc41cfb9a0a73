"""The fixtures around the SMTP servers of the tests."""

import asyncio
import os

import pytest

from mailadmin.drivers import event_loop
from mailadmin.drivers.smtp import connecting, pool, pool_batches, pool_connection, protocol, session, transaction
from tests import patience
from tests.smtp_faults import FaultyServer
from tests.smtp_server import SmtpServer


@pytest.fixture
def start_smtp():
    """Start real servers: `start_smtp(tls="ssl", username="", ...)`, see SmtpServer; they stop with the test."""
    started = []

    def start(**options):
        server = SmtpServer(**options)
        server.start()
        patience.servers.add(server.loop)
        started.append(server)
        return server

    yield start
    for server in started:
        patience.servers.discard(server.loop)
        if server.loop.is_running():  # a test may have stopped it itself
            server.stop()


@pytest.fixture
def smtp_server(start_smtp):
    """A running server with STARTTLS and sign-in."""
    return start_smtp()


@pytest.fixture
def start_faulty_smtp():
    """Start servers that misbehave: `start_faulty_smtp(faults={"rcpt": reply("421 4.3.2 bye")}, ...)`."""
    started = []

    def start(**options):
        server = FaultyServer(**options)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def patient(monkeypatch):
    """Let everything that this process sends wait by the clock of `tests/patience.py`."""
    with patience.running() as own:
        monkeypatch.setitem(event_loop.loops, os.getpid(), own)
        yield
        event_loop.run(pool.close_all())


@pytest.fixture
def client_clock(monkeypatch):
    """Let the whole driver read the time from the clock of its loop: deadlines and durations, too."""
    for module in (
        pool,
        pool_batches,
        pool_connection,
        connecting,
        protocol,
        session,
        transaction,
    ):
        monkeypatch.setattr(module, "monotonic", lambda: asyncio.get_running_loop().time())
