"""Messages per second through the smtp driver alone, without a database, to a sink in another process.

``python -m benchmarks.bench_smtp [--profile]``: local sinks over ten connections (pipelined, and one command at a
time), and one 20 ms away (40 ms per round trip), where the number of round trips matters.
"""

import argparse
import asyncio
import cProfile
import pstats
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from benchmarks.figures import report

MAILS = 10_000
ROUNDS = 3
BATCH = 500  # messages per call, two calls at a time
AWAY_MS = 20
CONTENT = (
    b"Subject: Hi\r\nFrom: shop@example.com\r\nTo: ann@example.com\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    + b"A line of some sixty characters, as in most messages.\r\n"
    * 30
)


@contextmanager
def sink(*options: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.sink", *options], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


async def send(port: int, mails: int, *, connections: int, per_connection: int = 100_000) -> float:
    """Send that many messages in calls of BATCH and return the rate per second, including connecting."""
    from mailadmin.drivers.base import Envelope, RevealedConnection
    from mailadmin.drivers.smtp.driver import SmtpDriver
    from mailadmin.drivers.smtp.pool import close_all
    from secrets_app.kinds.smtp import SmtpForm

    fields = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "max_connections": connections,
        "mails_per_connection": per_connection,
    }
    connection = RevealedConnection(
        id="1", name="sink", kind="smtp", fields={**SmtpForm.defaults, **fields}, secrets={}
    )
    envelopes = [
        Envelope(
            id=number,
            sender="shop@example.com",
            recipients=("ann@example.com",),
            content=CONTENT,
            needs_smtputf8=False,
            message_id=f"<{number}@example.com>",
            subject="Hi",
        )
        for number in range(mails)
    ]
    batches = [envelopes[start : start + BATCH] for start in range(0, mails, BATCH)]
    results = []

    async def caller() -> None:
        while batches:
            results.extend(await SmtpDriver().send(batches.pop(), connection))

    start = perf_counter()
    await asyncio.gather(caller(), caller())
    took = perf_counter() - start
    assert len(results) == mails
    assert {result.outcome for result in results} == {"sent"}
    await close_all()
    return mails / took


def best(port: int, mails: int, *, rounds: int = ROUNDS, **options: int) -> float:
    return max(asyncio.run(send(port, mails, **options)) for _ in range(rounds))


def main() -> None:
    import os

    import django

    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_smtp", description=__doc__.split("\n\n")[0])
    parser.add_argument("--profile", action="store_true", help="profile pipelined messages")
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings_test"
    django.setup()
    with sink("--pipelining") as near:
        if parser.parse_args().profile:
            profile = cProfile.Profile()
            profile.runcall(asyncio.run, send(near, MAILS, connections=10))
            pstats.Stats(profile).sort_stats("tottime").print_stats(35)
            return
        report("smtp", "pipelined, 10 connections", best(near, MAILS, connections=10), "messages/s")
        report("smtp", "pipelined, 1 connection", best(near, MAILS, connections=1), "messages/s")
        rate = best(near, MAILS, connections=10, per_connection=100)
        report("smtp", "pipelined, 10 connections, 100 messages on each", rate, "messages/s")
    with sink() as near:
        report("smtp", "one command at a time, 10 connections", best(near, MAILS, connections=10), "messages/s")
    for options, trips in ((["--pipelining"], 1), ([], 5)):
        with sink("--delay", str(AWAY_MS), *options) as far:
            rate = best(far, 400 // trips, rounds=1, connections=1)
            possible = 1000 / (2 * AWAY_MS) / trips
            words = f"{AWAY_MS} ms away, 1 connection, {'pipelined' if trips == 1 else 'one command after the other'}"
            report("smtp", words, rate, "messages/s", round_trips_allow=possible, ratio=round(rate / possible, 3))
    with sink("--pipelining", "--delay", str(AWAY_MS)) as far:
        rate = best(far, 2000, rounds=1, connections=10)
        report("smtp", f"{AWAY_MS} ms away, 10 connections, pipelined", rate, "messages/s")


if __name__ == "__main__":
    main()
