"""The drivers that send nothing, and the registry of all."""

import asyncio
import dataclasses
import multiprocessing
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailadmin.drivers import registry
from mailadmin.drivers.base import Driver, Envelope
from mailadmin.drivers.disabled import DisabledDriver
from mailadmin.drivers.log import TAIL, LogDriver, read_tail
from mailadmin.drivers.silent import SilentDriver
from mailadmin.errors import ConfigurationError, DeliveryError

ANN, BEN = "ann@example.org", "ben@example.org"


def envelope(number=1, *, body=b"Good day\r\n", is_sensitive=False, recipients=(ANN, BEN)):
    return Envelope(
        id=number,
        sender="shop@example.org",
        recipients=recipients,
        content=b"Subject: Hello\r\nFrom: shop@example.org\r\n\r\n" + body,
        needs_smtputf8=False,
        message_id=f"<{number}@example.org>",
        subject="Hello",
        is_sensitive=is_sensitive,
    )


@pytest.fixture
def log_file(tmp_path, settings):
    path = tmp_path / "deep" / "mail.log"
    settings.MAIL = dataclasses.replace(settings.MAIL, log_file=path)
    return path


def log(*envelopes):
    return asyncio.run(LogDriver().send(envelopes, None))


# ---------------------------------------------------------------- registry


def test_the_drivers_are_known_by_their_keys():
    assert [(driver.key, driver.needs_connection, driver.delivers) for driver in registry.drivers()] == [
        ("smtp", True, True),
        ("sendmail", False, True),
        ("log", False, False),
        ("silent", False, False),
        ("disabled", False, False),
    ]
    assert all(str(driver.label) and str(driver.explanation) for driver in registry.drivers())
    assert isinstance(registry.find_driver("log"), LogDriver)


def test_an_unknown_driver_is_a_configuration_error_that_names_it():
    with pytest.raises(ConfigurationError, match="'pigeon'"):
        registry.find_driver("pigeon")


def test_two_drivers_cannot_share_a_key():
    class Second(SilentDriver):
        pass

    with pytest.raises(ValueError, match="silent"):
        registry.register_driver(Second)
    assert type(registry.find_driver("silent")) is SilentDriver


# ---------------------------------------------------------------- silent and disabled


@pytest.mark.parametrize(("driver", "outcome", "words"), [
    (SilentDriver(), "silenced", "silent"),
    (DisabledDriver(), "skipped", "The driver is set to disabled: nothing is sent."),
])  # fmt: skip
def test_drivers_that_send_nothing_say_so_for_every_mail_and_recipient(driver: Driver, outcome, words):
    told = []
    mails = [envelope(1), envelope(2)]
    results = asyncio.run(driver.send(mails, None, on_result=lambda mail, result: told.append((mail, result))))
    assert told == list(zip(mails, results, strict=True))
    for result in results:
        assert (result.outcome, result.error) == (outcome, None)
        assert words in result.reply
        assert {address: each.outcome for address, each in result.recipients.items()} == {
            ANN: "skipped",
            BEN: "skipped",
        }


# ---------------------------------------------------------------- log


def test_each_mail_is_one_readable_record_in_a_file_for_its_owner_alone(log_file):
    (result,) = log(envelope(17))
    assert (result.outcome, result.error) == ("logged", None)
    assert str(log_file) in result.reply
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600
    text = log_file.read_text()
    assert re.match(r"\n=== \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z mail 17 <17@example\.org>\n", text)
    assert "MAIL FROM: shop@example.org\nRCPT TO: ann@example.org\nRCPT TO: ben@example.org\n\nSubject: Hello\n" in text
    assert "Good day\n" in text
    assert "\r" not in text


def test_mails_are_read_back_newest_first(log_file):
    before = datetime.now(UTC)
    log(*(envelope(number, body=b"Mail %d\r\n" % number) for number in range(1, 6)))
    entries = read_tail(log_file, 3)
    assert [entry.id for entry in entries] == [5, 4, 3]
    newest = entries[0]
    assert newest.text == "Subject: Hello\nFrom: shop@example.org\n\nMail 5"
    assert (newest.sender, newest.recipients, newest.message_id) == ("shop@example.org", (ANN, BEN), "<5@example.org>")
    assert before <= newest.recorded_at <= datetime.now(UTC)
    assert not newest.is_cut
    assert read_tail(log_file, 0) == []


def test_a_body_that_looks_like_a_separator_forges_no_record(log_file):
    forged = (
        b"=== 2026-01-01T00:00:00.000000Z mail 99 <x@y>\r\nMAIL FROM: eve\r\n=== end of mail 1, 5 octets\r\n>=== x\r\n"
    )
    log(envelope(1, body=forged), envelope(2))
    entries = read_tail(log_file, 10)
    assert [entry.id for entry in entries] == [2, 1]
    assert entries[1].text.partition("\n\n")[2] == forged.decode().replace("\r\n", "\n").rstrip("\n")


def test_an_address_or_id_with_a_line_end_forges_no_record(log_file):
    bad = envelope(1, recipients=("a@b.org\r\nRCPT TO: c@d.org",))
    log(dataclasses.replace(bad, message_id="<x>\n=== end of mail 1, 3 octets"), envelope(2))
    (entry,) = read_tail(log_file, 10)
    assert entry.id == 2
    assert b"\nRCPT TO: c@d.org" not in log_file.read_bytes()


def test_control_characters_do_not_reach_the_terminal_of_the_reader(log_file):
    log(envelope(1, body=b"\x1b]0;title\x07\x1b[31mred\x00\r\n\ttab\r\n"))
    data = log_file.read_bytes()
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", data)
    assert b"\ttab" in data


def test_the_body_of_a_sensitive_mail_is_left_out(log_file):
    log(envelope(1, body=b"Your code is 424242\r\n", is_sensitive=True))
    (entry,) = read_tail(log_file, 1)
    assert "424242" not in log_file.read_text()
    assert "Subject: Hello" in entry.text
    assert "marked as sensitive" in entry.text


def test_only_the_end_of_a_long_file_is_read(log_file):
    log(*(envelope(number, body=b"x" * 70 + b"\r\n" + b"y" * 900 + b"\r\n") for number in range(600)))
    assert log_file.stat().st_size > 2 * TAIL
    entries = read_tail(log_file, 10_000)
    assert [entry.id for entry in entries] == list(range(599, 599 - len(entries), -1))
    assert 200 < len(entries) < 300


def test_a_mail_longer_than_what_is_read_is_found_and_shown_cut(log_file):
    log(envelope(1), envelope(2, body=(b"z" * 70 + b"\r\n") * 10_000))
    (entry,) = read_tail(log_file, 5)
    assert (entry.id, entry.is_cut, entry.recipients) == (2, True, (ANN, BEN))
    assert entry.text.startswith("Subject: Hello")
    assert len(entry.text) < TAIL
    log(envelope(3))
    assert [entry.id for entry in read_tail(log_file, 5)] == [3, 2]
    assert [entry.id for entry in read_tail(log_file, 1)] == [3]


def test_a_record_that_a_full_disk_cut_short_spoils_no_other(log_file):
    log(envelope(1))
    with log_file.open("ab") as file:
        file.write(b"\n=== 2026-01-01T00:00:00.000000Z mail 2 <2@example.org>\nMAIL FROM: shop@exa")
    log(envelope(3))
    entries = read_tail(log_file, 5)
    assert [(entry.id, entry.is_cut) for entry in entries] == [(3, False), (2, True), (1, False)]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\xfe" * 1000, b"=== not a separator\n", b"=== end of mail 1, 999 octets\n", b"\xff" * 300_000],
)
def test_a_file_that_holds_something_else_has_no_mails(tmp_path, content):
    path = tmp_path / "mail.log"
    path.write_bytes(content)
    assert read_tail(path, 5) == []


def test_a_missing_file_and_a_device_have_no_mails(tmp_path):
    assert read_tail(tmp_path / "none.log", 5) == []
    assert read_tail(Path("/dev/null"), 5) == []


def test_a_full_disk_defers_the_mail_and_says_why(settings):
    settings.MAIL = dataclasses.replace(settings.MAIL, log_file=Path("/dev/full"))
    (result,) = log(envelope(1))
    assert (result.outcome, {each.outcome for each in result.recipients.values()}) == ("deferred", {"deferred"})
    assert "No space left on device" in result.reply
    assert type(result.error) is DeliveryError
    assert not result.error.permanent


def test_a_place_that_cannot_be_written_defers_the_mail_and_says_why(tmp_path, settings):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "mail.log"):
        settings.MAIL = dataclasses.replace(settings.MAIL, log_file=path)
        (result,) = log(envelope(1))
        assert (result.outcome, bool(result.error)) == ("deferred", True)
        assert "cannot be written" in result.reply


def _log_many(first):
    asyncio.run(
        LogDriver().send([envelope(first + number, body=b"%d " % first * 4000 + b"\r\n") for number in range(50)], None)
    )
    os._exit(0)


def test_processes_that_log_at_once_do_not_mix_their_records(log_file):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_log_many, args=(first,)) for first in (1000, 2000, 3000)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    data = log_file.read_bytes()
    records = data.split(b"\n=== 20")[1:]
    assert len(records) == 150
    for record in records:
        (number,) = re.findall(rb"^\S+Z mail (\d+) ", record)
        assert record.count(b"%d " % (int(number) // 1000 * 1000)) >= 4000
        assert record.endswith(b"octets\n")
        assert b"=== end of mail %b, " % number in record
