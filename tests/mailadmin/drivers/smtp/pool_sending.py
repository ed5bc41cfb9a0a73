"""What the tests of the pool have in common: a loop with pools, many mails, and waiting for something to happen."""

import asyncio
import time

from mailadmin.drivers.smtp import pool
from mailadmin.drivers.smtp.driver import SmtpDriver
from tests import patience
from tests.mailadmin.drivers.smtp.smtp_sending import connection_to, envelope

DRIVER = SmtpDriver()


def server_of(server, **changes):
    """Return the connection to one of the tests' servers."""
    return connection_to(**{"timeout": 30.0, **server.fields, **changes})


def mails(count, first=1):
    return [envelope(f"person{number}@example.org", number=number) for number in range(first, first + count)]


def run(coroutine):
    """Run in a patient loop of its own and close the pools in the end."""

    async def all_of_it():
        try:
            return await coroutine
        finally:
            await pool.close_all()

    return patience.run(all_of_it())


def outcomes_of(results):
    return {result.outcome for result in results}


async def until(condition, seconds=60.0):
    """Wait until `condition()` holds. Raises AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
