"""A message that some recipients got and others did not, from the server's replies to what people see of it."""

import html
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from mailadmin.api import Mail, send
from mailadmin.delivery import deliver
from mailadmin.incidents import detection
from mailadmin.outbox import resending
from maillog.explanations.verdict import verdict
from maillog.models import Incident, Message, Status
from maillog.search.counts import status_counts
from maillog.statistics import queries
from tests.maillog.search.searching import subjects
from tests.smtp_faults import reply

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

ANN, BEN, CAT = "ann@example.com", "ben@example.com", "cat@example.com"
REFUSED, LATER = "550 5.3.0 no such mailbox system", "451 4.3.2 come back later"


@pytest.fixture
def server(start_faulty_smtp, mail_settings):
    """Accepts ann, refuses ben for good, and cat once."""
    faults = {f"rcpt:{BEN}": reply(REFUSED), f"rcpt:{CAT}": [reply(LATER), None]}
    started = start_faulty_smtp(faults=faults, pipelining=True)
    mail_settings(**{**started.fields, "from_address": "shop@example.com"})
    return started


def deliver_at(minutes):
    with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
        deliver.deliver_due()
    return Message.objects.order_by("-id")[0]


@pytest.fixture
def waiting(server):
    """The message after its first attempt."""
    send(Mail(to=[ANN, BEN, CAT], subject="Minutes", text="x", mode="background"))
    return deliver_at(0)


@pytest.fixture
def partly_sent(waiting):
    """The message after its second attempt."""
    return deliver_at(2)


def page(client, path):
    return " ".join(html.unescape(client.get(path).content.decode()).split())


def test_while_it_waits_the_temporary_reply_is_quoted_and_both_are_found(waiting, server):
    assert (waiting.status, waiting.reason) == (Status.DEFERRED, LATER)
    assert [mail.recipients for mail in server.mails] == [(ANN,)]
    assert verdict(waiting).sentence.startswith("Accepted for 1 of 3 recipients. Deferred by localhost:")
    assert "451 4.3.2" in verdict(waiting).sentence
    assert "1 recipient was refused" in verdict(waiting).advice
    assert [subjects(query) for query in ("error:550", "error:451", "error:552")] == [["Minutes"], ["Minutes"], []]


def test_it_ends_as_partly_sent_and_its_refusal_stays_found_and_counted(partly_sent, server):
    assert (partly_sent.status, partly_sent.reason, partly_sent.next_attempt_at) == (Status.PARTLY_SENT, REFUSED, None)
    assert [mail.recipients for mail in server.mails] == [(ANN,), (CAT,)]
    assert sorted(partly_sent.recipients.values_list("address", "outcome")) == [
        (ANN, "accepted"),
        (BEN, "refused"),
        (CAT, "accepted"),
    ]
    for query in ("status:partly_sent", "error:550", 'error:"no such mailbox"', "status:partly_sent,failed"):
        assert subjects(query) == ["Minutes"], query
    assert subjects("status:failed") == subjects("status:sent") == []
    assert status_counts()[Status.PARTLY_SENT].value == 1
    now = timezone.now()
    assert queries.ended_in_last_day(now) == {Status.PARTLY_SENT: 1}
    (error,) = queries.breakdown(now - timedelta(hours=1), now + timedelta(hours=1)).errors
    assert error[0].startswith("550 5.3.0")


def test_the_refused_recipient_is_part_of_an_incident_and_the_one_who_waited_is_not_final(server, partly_sent):
    detection.end_finished()
    assert {one.kind.endswith("-later") for one in Incident.objects.all()} == {True, False}
    (final,) = [one for one in Incident.objects.all() if not one.kind.endswith("-later")]
    assert (final.code, final.mail_count) == (550, 1)


def test_its_page_explains_the_reply_of_each_recipient_and_offers_to_send_it_to_the_rest(partly_sent, admin_client):
    shown = page(admin_client, f"/log/{partly_sent.pk}/")
    assert 'data-status="partly_sent">Partly sent<' in shown
    assert "Accepted for 2 of 3 recipients. Refused by localhost:" in shown
    assert shown.count(REFUSED) >= 2, "in the verdict and with the recipient"
    assert "Resend to those who did not get it…" in shown
    asked = page(admin_client, f"/log/{partly_sent.pk}/resending/")
    assert f"Only those who did not get it: {BEN}" in asked
    assert ANN not in asked


def test_sent_again_it_never_reaches_those_who_have_it(partly_sent, server, admin, admin_client):
    server.faults.clear()
    by_page = partial(admin_client.post, f"/log/{partly_sent.pk}/resending/", {"whom": "same"})
    assert by_page().status_code == 302
    with transaction.atomic():
        refused = resending.resend_all([partly_sent.pk], actor=admin).refused
    assert refused == {resending.NO_RECIPIENTS: [partly_sent.pk]}
    deliver_at(2)
    assert [mail.recipients for mail in server.mails] == [(ANN,), (CAT,), (BEN,)]
    again = by_page()
    assert again.status_code == 422
    assert "Every recipient has it by now" in page(admin_client, f"/log/{partly_sent.pk}/resending/")
    assert Message.objects.count() == 2
