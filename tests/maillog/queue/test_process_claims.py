"""Claims of dead processes: recognised by the lock that a living process holds."""

import os
import subprocess
import sys

import pytest
from django.utils import timezone

from maillog.models import Message, Status
from maillog.queue import process_claims
from tests.maillog.makers import claimed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

HOLD = """
import fcntl, os, sys, time
handle = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(handle, fcntl.LOCK_EX)
print("locked", flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder(settings, tmp_path, monkeypatch):
    settings.MAIL_PROCESS_DIR = tmp_path / "processes"
    monkeypatch.setattr(process_claims, "_tokens", {})
    process_claims.process_token()
    (found,) = settings.MAIL_PROCESS_DIR.iterdir()
    return found


def test_what_a_dead_process_claimed_is_due_at_once_and_what_a_living_one_claimed_is_not(folder):
    own, others = claimed(queued()), claimed(queued())
    token = "0123456789ab"
    Message.objects.filter(pk=others.id).update(claim=token + others.claim[12:])
    with subprocess.Popen([sys.executable, "-c", HOLD, folder / f"{token}.lock"], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline()
        assert process_claims.recover_dead() == 0
        other.kill()
    assert process_claims.recover_dead() == 1
    row = Message.objects.get(pk=others.id)
    assert (row.status, row.worker_deaths, row.possibly_duplicate) == (Status.QUEUED, 1, True)
    assert row.next_attempt_at <= timezone.now(), "it need not wait for its lease"
    assert Message.objects.get(pk=own.id).status == Status.SENDING
    assert not (folder / f"{token}.lock").exists()
    assert process_claims.recover_dead() == 0
    assert (folder / f"{process_claims.process_token()}.lock").exists()


def test_claims_begin_with_the_token_of_their_process_and_are_never_the_same(folder):
    claims = {process_claims.new_claim() for _ in range(1000)}
    assert len(claims) == 1000
    assert {(len(claim), claim[:12]) for claim in claims} == {(32, process_claims.process_token())}


def test_a_forked_child_has_a_token_of_its_own_and_does_not_keep_its_parent_alive(folder):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, process_claims.process_token().encode())
        os._exit(0)
    os.waitpid(child, 0)
    token = os.read(reading, 100).decode()
    assert token != process_claims.process_token()
    assert (folder / f"{token}.lock").exists()
    process_claims.recover_dead()
    assert [file.stem for file in folder.iterdir()] == [process_claims.process_token()]


def test_without_a_directory_to_write_to_only_leases_count(settings, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for place in (None, tmp_path / "file" / "processes"):
        settings.MAIL_PROCESS_DIR = place
        monkeypatch.setattr(process_claims, "_tokens", {})
        mail = claimed(queued())
        assert process_claims.recover_dead() == 0
        assert Message.objects.get(pk=mail.id).status == Status.SENDING
