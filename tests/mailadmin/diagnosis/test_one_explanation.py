"""One reply has one explanation: on the pages of message, recipient, incident and overview, and in the HTTP API."""

import html
import json
from urllib.parse import quote

import pytest
from django.urls import reverse

from mailadmin.api import Mail, send_many
from mailadmin.delivery import deliver
from mailadmin.http_api import response_bodies
from mailadmin.models import AlarmRules
from maillog import lookup
from maillog.models import Incident, Message
from maillog.statistics import rollups
from tests.smtp_faults import reply

pytestmark = pytest.mark.django_db(transaction=True)

ANN, BEN, CY = "ann@example.com", "ben@example.com", "cy@example.com"
REFUSED = reply("550 5.1.8 <shop@example.org>: Sender address rejected: not owned by user relay")
WORDS = "this account may not send from this sender address"
LATER = "greylisting, which delays mail from unknown senders"


@pytest.fixture
def sent(start_faulty_smtp, mail_settings):
    """Send a message to three: one accepted, one refused for good, one to be tried again."""
    faults = {f"rcpt:{BEN}": REFUSED, f"rcpt:{CY}": [reply("451 4.7.1 Greylisted, please wait"), None]}
    server = start_faulty_smtp(faults=faults)
    mail_settings(from_address="shop@example.org", timeout=30, **server.fields)
    rules = AlarmRules.current()
    rules.threshold = 1
    rules.save()
    (pk,) = send_many([Mail(to=[ANN, BEN, CY], subject="x", text="x", mode="background")])
    deliver.deliver_due()
    return pk


def text(client, path):
    response = client.get(path)
    assert response.status_code == 200
    return html.unescape(response.content.decode()).lower()


def test_every_page_and_the_api_explain_a_reply_alike(sent, admin_client):
    page = text(admin_client, reverse("maillog:detail", args=[sent]))
    assert WORDS in page
    assert LATER in page
    assert WORDS in text(admin_client, f"/log/recipients/?address={quote(BEN)}")
    assert LATER in text(admin_client, f"/log/recipients/?address={quote(CY)}")
    final, later = Incident.objects.order_by("kind")[::-1]
    assert (final.kind, final.code, later.kind, later.code) == ("sender-mismatch", 550, "greylisting-later", 451)
    assert WORDS in text(admin_client, f"/mail/incidents/{final.pk}/")
    assert LATER in text(admin_client, f"/mail/incidents/{later.pk}/")
    listing = text(admin_client, "/mail/incidents/")
    assert "550 on environment: 1 message failed" in listing
    assert "451 on environment: 1 message deferred" in listing
    body = json.loads(response_bodies.whole(lookup.mail_by_id(sent)).model_dump_json())
    assert {one["address"]: one["explanation"] for one in body["recipients"]} == {
        ANN: "", BEN: "sender-mismatch", CY: "greylisting"
    }  # fmt: skip


def test_after_the_retry_the_overview_says_the_same(sent, admin_client):
    Message.objects.update(next_attempt_at="2020-01-01T00:00Z")
    deliver.deliver_due()
    rollups.fold_deltas()
    assert Message.objects.get().status == "partly_sent"
    assert WORDS in text(admin_client, reverse("maillog:detail", args=[sent]))
    assert WORDS in text(admin_client, f"/log/recipients/?address={quote(BEN)}")
    assert WORDS in text(admin_client, "/")
