"""The fixtures around the SMTP servers of the tests."""

import pytest

from tests.smtp_faults import FaultyServer
from tests.smtp_server import SmtpServer


@pytest.fixture
def start_smtp():
    """Start real servers: `start_smtp(tls="ssl", username="", ...)`, see SmtpServer; they stop with the test."""
    started = []

    def start(**options):
        server = SmtpServer(**options)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
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
