"""Mails of a transaction that is rolled back were never there, however busy the workers are."""

import random
import time

import pytest
from django.db import transaction

from benchmarks.faults import mails as log
from benchmarks.faults.lab import wait_until
from mailadmin.api import Mail, send
from maillog.models import Attempt, Content, Message, Recipient

pytestmark = pytest.mark.both_databases


class Rollback(Exception):
    """The caller changes its mind."""


def put(subject):
    return send(Mail(to=["ann@example.com"], subject=subject, text="x", mode="background"))


def test_a_rollback_leaves_nothing_while_two_workers_look_for_mails(lab):
    server = lab.server()
    for _ in range(2):
        lab.worker(server.port, FAULTS_HEARTBEAT="0.05")
    log.enqueue(20)
    wait_until(lambda: server.count() == 20, 120, "the workers are at work")
    chance = random.Random(1)
    kept, dropped = [], []
    for number in range(60):
        try:
            with transaction.atomic():
                ids = [put(f"Number {number}") for _ in range(3)]
                identities = list(Message.objects.filter(id__in=ids).values_list("message_id", flat=True))
                time.sleep(chance.random() * 0.03)
                if number % 2:
                    raise Rollback
        except Rollback:
            dropped += identities
        else:
            kept += identities
    wait_until(lambda: not log.unsent(), 120, "everything is sent")
    time.sleep(0.3)
    copies = log.copies([server])
    assert (len(kept), len(dropped)) == (90, 90)
    assert all(copies[identity] == 1 for identity in kept)
    assert not any(copies[identity] for identity in dropped)
    assert sum(copies.values()) == 110
    assert Message.objects.count() == Recipient.objects.count() == Content.objects.count() == 110
    assert Attempt.objects.count() == 110
