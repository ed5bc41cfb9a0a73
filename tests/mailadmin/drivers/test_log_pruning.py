"""Removing records from the file of the driver `log`."""

import asyncio
import dataclasses
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from mailadmin.drivers.base import Envelope
from mailadmin.drivers.log import LogDriver, read_tail


def envelope(number, text="Good day"):
    return Envelope(
        id=number,
        sender="shop@example.org",
        recipients=("ann@example.org",),
        content=f"Subject: Hello\r\n\r\n{text}\r\n".encode(),
        needs_smtputf8=False,
        message_id=f"<{number}@example.org>",
        subject="Hello",
    )


@pytest.fixture
def log_file(tmp_path, settings):
    settings.MAIL = dataclasses.replace(settings.MAIL, log_file=tmp_path / "mail.log")
    return settings.MAIL.log_file


def log(*numbers):
    asyncio.run(LogDriver().send([envelope(number) for number in numbers], None))


def prune(*numbers):
    return LogDriver().prune(lambda heads: {head for head in heads if head[0] in numbers})


def ids(path):
    return [entry.id for entry in read_tail(path, 10_000)]


def test_only_the_records_of_expired_messages_go(log_file):
    log(1, 2, 1, 3)
    with log_file.open("a") as file:
        file.write("a line of somebody else\n")
    log(4)
    assert prune(1, 4) == 3
    assert ids(log_file) == [3, 2]
    assert "a line of somebody else\n" in log_file.read_text()
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600
    assert [path.name for path in log_file.parent.iterdir()] == ["mail.log"]


def test_a_message_with_the_number_of_another_one_stays(log_file):
    """The database was created again, and numbers began at 1 again."""
    log(1)
    assert LogDriver().prune(lambda heads: {(1, "<other@example.org>")} & set(heads)) == 0
    assert ids(log_file) == [1]


def test_a_missing_file_and_a_device_have_nothing_to_prune(log_file, settings):
    assert prune(1) == 0
    settings.MAIL = dataclasses.replace(settings.MAIL, log_file=Path("/dev/null"))
    assert prune(1) == 0


def _log_many():
    for number in range(2000, 2300):
        log(number)
    os._exit(0)


def test_nothing_that_is_written_meanwhile_is_lost(log_file):
    log(*range(1, 200))
    writer = multiprocessing.get_context("fork").Process(target=_log_many)
    writer.start()
    pruned = 0
    for number in range(1, 200):
        pruned += prune(number)
    writer.join(60)
    assert pruned == 199
    assert ids(log_file) == list(range(2299, 1999, -1))
