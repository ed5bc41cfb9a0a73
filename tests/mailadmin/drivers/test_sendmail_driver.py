"""The driver `sendmail`: a program gets each mail, and what it says by its exit status becomes the mail's state."""

import asyncio
import dataclasses
import json
import os
import signal
import sys
import tempfile
import threading
import time

import pytest

from mailadmin.api import Mail, send
from mailadmin.configuration import effective
from mailadmin.connections import readiness
from mailadmin.delivery import deliver
from mailadmin.drivers import sendmail
from mailadmin.drivers.sendmail import SendmailDriver
from mailadmin.errors import Stopped
from maillog.models import Attempt, Message, Recipient
from tests.cases import case
from tests.mailadmin.drivers.test_other_drivers import ANN, BEN, envelope
from tests.processes import alive

PROGRAM = f"""#!{sys.executable}
import json, os, sys, time
from pathlib import Path
folder = Path(__file__).parent
octets = sys.stdin.buffer.read()
told = {{"arguments": sys.argv[1:], "text": octets.decode(), "environment": dict(os.environ), "folder": os.getcwd()}}
with (folder / "told").open("a") as file:
    file.write(json.dumps(told) + "\\n")
exec((folder / "then").read_text())
"""


class Program:
    """A mail program that writes down what it is given, and then does what a test wants."""

    def __init__(self, folder):
        self.folder, self.path = folder, folder / "sendmail"
        self.path.write_text(PROGRAM)
        self.path.chmod(0o755)
        self.then("")

    def then(self, code: str) -> None:
        (self.folder / "then").write_text(code)

    @property
    def told(self):
        path = self.folder / "told"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def program(tmp_path, settings):
    made = Program(tmp_path)
    settings.MAIL = dataclasses.replace(settings.MAIL, driver="sendmail", sendmail_path=made.path)
    return made


def hand_over(*envelopes):
    return asyncio.run(SendmailDriver().send(envelopes, None))


def test_the_program_gets_the_mail_and_every_recipient(program):
    (result,) = hand_over(envelope(body=b"Good day\r\n.\r\nMore\r\n"))
    (told,) = program.told
    assert told["arguments"] == ["-i", "-f", "shop@example.org", "--", ANN, BEN]
    assert told["text"] == "Subject: Hello\nFrom: shop@example.org\n\nGood day\n.\nMore\n"
    assert (result.outcome, result.error, result.host) == ("sent", None, str(program.path))
    assert {address: one.outcome for address, one in result.recipients.items()} == {ANN: "accepted", BEN: "accepted"}


def test_addresses_cannot_be_options_and_the_empty_sender_is_one(program):
    hand_over(dataclasses.replace(envelope(recipients=("-oQ/tmp@example.org",)), sender=""))
    (told,) = program.told
    assert told["arguments"] == ["-i", "-f", "<>", "--", "-oQ/tmp@example.org"]


def test_the_program_learns_nothing_of_ours(program, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "canary-in-the-environment")
    handle = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(handle, True)
    program.then(f"(folder / 'open').write_text(repr(os.path.exists('/proc/self/fd/{handle}')))")
    hand_over(envelope())
    os.close(handle)
    (told,) = program.told
    assert "canary" not in json.dumps(told)
    assert told["environment"].keys() <= {"PATH", "LANG", "HOME", "LC_CTYPE"}
    assert told["folder"] == "/"
    assert (program.folder / "open").read_text() == "False"


def test_the_exit_status_says_what_became_of_it(program):
    for then, outcome, each, words in [
        ("print('no such user: ann', file=sys.stderr); sys.exit(67)", "failed", "refused", "EX_NOUSER"),
        ("sys.exit(65)", "failed", "refused", "EX_DATAERR"),
        ("print('server message: 450 4.2.1 busy'); sys.exit(65)", "deferred", "deferred", "450 4.2.1 busy"),
        ("sys.exit(68)", "failed", "refused", "EX_NOHOST"),
        ("print('queue is full'); sys.exit(75)", "deferred", "deferred", "EX_TEMPFAIL): queue is full"),
        ("sys.exit(69)", "deferred", "deferred", "EX_UNAVAILABLE"),
        ("sys.exit(78)", "deferred", "deferred", "EX_CONFIG"),
        ("sys.exit(1)", "deferred", "deferred", "exit status 1"),
        ("os.kill(os.getpid(), 9)", "uncertain", "uncertain", "killed by signal 9"),
    ]:
        with case(then):
            program.then(then)
            (result,) = hand_over(envelope())
            assert (result.outcome, {one.outcome for one in result.recipients.values()}) == (outcome, {each})
            assert words in result.reply
            assert words in str(result.error)
            assert result.error.permanent == (outcome == "failed")


def test_what_the_program_says_is_one_harmless_line(program):
    program.then("print('\\x1b[31mred\\nand\\x00more' + 'x' * 100_000); sys.exit(75)")
    (result,) = hand_over(envelope())
    assert len(result.reply) <= 1000
    assert result.reply.isprintable()


def test_a_program_that_hangs_is_killed_with_its_children(program):
    program.then(
        "import subprocess; child = subprocess.Popen(['sleep', '600'])\n"
        "(folder / 'child').write_text(str(child.pid)); time.sleep(600)"
    )
    result = sendmail.call(program.path, envelope(), timeout=4)
    assert (result.outcome, result.error.uncertain) == ("uncertain", True)
    assert "did not end within 4 seconds" in result.reply
    child = int((program.folder / "child").read_text())
    limit = time.monotonic() + 30
    while time.monotonic() < limit and alive(child):
        time.sleep(0.05)
    assert not alive(child)


def test_one_that_leaves_a_child_behind_is_not_waited_for(program):
    program.then("import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True)\n"
                 "sys.exit(75)")  # fmt: skip
    (result,) = hand_over(envelope())
    assert result.outcome == "deferred"
    assert result.duration_ms < 50_000
    os.kill(int(result.reply.rpartition(" ")[2]), signal.SIGKILL)


@pytest.mark.parametrize("spoil", ["gone", "not executable", "no program", "folder"])
def test_a_program_that_cannot_be_run_defers_the_mail_and_says_so(program, spoil):
    if spoil in ("gone", "folder"):
        program.path.unlink()
    if spoil == "folder":
        program.path.mkdir()
    if spoil == "not executable":
        program.path.chmod(0o644)
    if spoil == "no program":
        program.path.write_bytes(b"\x00\x01")
    (result,) = hand_over(envelope())
    assert (result.outcome, result.error.permanent) == ("deferred", False)
    assert f"The program {program.path} cannot be run:" in result.reply
    if spoil != "no program":
        assert "MAIL_SENDMAIL_PATH" in SendmailDriver().unavailable_reason()


def test_many_mails_are_told_one_by_one(program):
    told = []
    mails = [envelope(number) for number in range(10)]
    results = asyncio.run(SendmailDriver().send(mails, None, on_result=lambda mail, result: told.append(mail.id)))
    assert sorted(told) == list(range(10))
    assert [result.outcome for result in results] == ["sent"] * 10
    assert len(program.told) == 10


def test_trouble_over_one_mail_is_not_that_of_the_others(program, monkeypatch):
    real, calls = tempfile.TemporaryFile, iter(range(100))

    def fails_once():
        if next(calls) == 2:
            raise OSError(24, "Too many open files")
        return real()

    monkeypatch.setattr("tempfile.TemporaryFile", fails_once)
    results = hand_over(*map(envelope, range(6)))
    assert sorted(result.outcome for result in results) == ["deferred"] + ["sent"] * 5
    assert len(program.told) == 5


def test_stopped_it_starts_no_other_program(program):
    program.then("time.sleep(0.5)")
    driver = SendmailDriver()

    def stop_once_it_runs():
        while not program.told:
            time.sleep(0.01)
        asyncio.run(driver.stop(1.0))

    caller = threading.Thread(target=stop_once_it_runs)
    caller.start()
    results = asyncio.run(driver.send(list(map(envelope, range(12))), None))
    caller.join()
    begun = [result for result in results if result.outcome == "sent"]
    assert 0 < len(begun) <= 8
    assert len(program.told) == len(begun)
    assert {type(result.error) for result in results if result.error} == {Stopped}
    assert asyncio.run(driver.send([envelope()], None))[0].outcome == "sent"


# ---------------------------------------------------------------- within Mailadmin


@pytest.fixture
def sender(program, settings):
    settings.MAIL = dataclasses.replace(settings.MAIL, from_address="shop@example.com")


@pytest.mark.django_db
def test_a_mail_goes_the_whole_way(program, sender):
    number = send(Mail(to=["Zoë <zoe@bücher.example>"], bcc=["ben@example.com"], subject="Grüße", text="Hallo\n.\n"))
    assert deliver.deliver_due() == 1
    mail, attempt = Message.objects.get(pk=number), Attempt.objects.get()
    assert (mail.status, mail.driver.text, mail.connection) == ("sent", "sendmail", None)
    assert (attempt.outcome, attempt.host) == ("sent", str(program.path))
    (told,) = program.told
    assert told["arguments"][4:] == ["zoe@xn--bcher-kva.example", "ben@example.com"]
    assert "\r" not in told["text"]
    assert "ben@example.com" not in told["text"]


@pytest.mark.django_db
def test_a_refused_mail_has_failed_and_a_deferred_one_comes_again(program, sender):
    program.then("print('unknown user', file=sys.stderr); sys.exit(67)")
    failed = send(Mail(to=["ann@example.com"], subject="Hi", text="Hello"))
    deliver.deliver_due()
    program.then("sys.exit(75)")
    deferred = send(Mail(to=["ann@example.com"], subject="Hi", text="Hello"))
    deliver.deliver_due()
    assert Message.objects.get(pk=failed).status == "failed"
    assert "unknown user" in Message.objects.get(pk=failed).reason
    assert Recipient.objects.get(message_id=failed).outcome == "refused"
    later = Message.objects.get(pk=deferred)
    assert (later.status, later.next_attempt_at is not None) == ("deferred", True)


@pytest.mark.django_db
def test_the_answer_of_a_server_behind_the_program_is_understood(program, sender, admin_client):
    program.then("print('msmtp: server message: 550 5.1.1 no such user'); sys.exit(65)")
    number = send(Mail(to=["ann@example.com"], subject="Hi", text="Hello"))
    deliver.deliver_due()
    row = Recipient.objects.get(message_id=number)
    assert (row.outcome, row.code, row.enhanced_code) == ("refused", 550, "5.1.1")
    html = admin_client.get(f"/log/{number}/").content.decode()
    assert "the mailbox does not exist" in html
    assert "without TLS" not in html


def test_what_is_withdrawn_is_given_back_at_once_and_what_runs_ends_in_its_own_time(program):
    program.then("time.sleep(2)")
    driver, done = SendmailDriver(), []
    began = time.monotonic()

    async def go():
        mails = [dataclasses.replace(envelope(ANN), id=number) for number in range(20)]
        note = lambda mail, result: done.append((mail.id, result.outcome, time.monotonic() - began))  # noqa: E731
        sending = asyncio.create_task(driver.send(mails, None, on_result=note))
        await asyncio.sleep(0.5)
        await driver.withdraw(set(range(5, 20)) | {0})
        return await sending

    results = asyncio.run(go())
    assert [result.outcome for result in results] == ["sent"] * 5 + ["deferred"] * 15
    assert all(isinstance(result.error, Stopped) for result in results[5:])
    assert {number for number, outcome, _ in done if outcome == "deferred"} == set(range(5, 20))
    assert max(when for _, outcome, when in done if outcome == "deferred") < 1.5
    assert len(program.told) == 5


@pytest.mark.django_db
def test_a_worker_that_is_asked_to_stop_gives_the_rest_back(program, sender):
    program.then("time.sleep(0.5)")
    for _ in range(40):
        send(Mail(to=["ann@example.com"], subject="Hi", text="Hello"))
    began = time.monotonic()
    deliver.deliver_due(should_stop=lambda: time.monotonic() > began + 0.5)
    states = list(Message.objects.values_list("status", flat=True))
    assert states.count("sent") == len(program.told)
    assert states.count("queued") == 40 - len(program.told) > 10


@pytest.mark.django_db
def test_a_program_that_is_missing_stands_in_the_banner(program, sender, admin_client):
    assert readiness.problem(effective.current()) is None
    html = admin_client.get("/").content.decode()
    assert "Not needed with the driver “Sendmail”." in html
    program.path.unlink()
    html = admin_client.get("/log/").content.decode()
    assert f"There is no program at {program.path}." in html
    assert "MAIL_SENDMAIL_PATH" in html
