"""The pages and the command of incidents: what they say, what they offer, whom they let act."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from mailadmin.operations import bulk
from maillog.models import Incident, Message, Status
from maillog.outcomes import RecipientOutcome
from maillog.queue.settling import settle
from tests.cases import case, rolled_back
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import claimed, finished, make_incident, queued, settlement

pytestmark = pytest.mark.django_db

KINDS = ("resolve", "connect", "tls", "greeting", "auth", "auth-later", "mailbox-missing", "deferred", "interrupted")
OTHER_KINDS = ("uncertain", "worker", "program")
LOG = "maillog.view_log"


def held(address="ann@example.com"):
    """Store a mail that waits for a connection, and return its number."""
    pk = queued(address)
    settle([settlement(claimed(pk), "held", recipients=(), attempt=None, reason="535", connection="Relay A")])
    return pk


def refused_message():
    """Store a message whose only recipient was refused, and return its number."""
    mail = claimed(queued("gone@example.com"))
    outcomes = [RecipientOutcome(id=one.id, outcome="refused", code=550) for one in mail.recipients]
    settle([settlement(mail, "failed", recipients=outcomes, reason="550 no such user")])
    return mail.id


def page(client, path):
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


# ---------------------------------------------------------------- pages


def test_without_incidents_the_list_says_what_will_stand_there(admin_client):
    assert "No incidents yet" in page(admin_client, "/mail/incidents/")


def test_open_incidents_come_first_and_ended_ones_by_pages(admin_client):
    now = timezone.now()
    for number in range(60):
        make_incident(connection=f"old {number}", state="ended", ended_at=now, ending="quiet")
    make_incident(connection="in trouble")
    first = page(admin_client, "/mail/incidents/")
    assert first.index("in trouble") < first.index("old 59")
    assert "old 9:" not in first
    older = Incident.objects.get(connection="old 10").pk
    assert f"?before={older}" in first
    second = page(admin_client, f"/mail/incidents/?before={older}")
    assert "old 9:" in second
    assert "old 10:" not in second
    assert "is not a number" in page(admin_client, "/mail/incidents/?before=x")


def test_one_incident_says_what_happens_what_to_do_and_what_was_changed(admin_client):
    change = {"what": "settings", "number": 17, "changed": ["driver"], "by": "Ann", "at": timezone.now().isoformat()}
    incident = make_incident(mails=[held(), held()], recent_changes=[change])
    html = page(admin_client, f"/mail/incidents/{incident.pk}/")
    assert "535 on Relay A: 2 messages since" in html
    assert "after revision 17 (Ann, " in html
    assert "The sign-in fails." in html
    assert "Enter user and password again" in html
    assert "535 5.7.8 Authentication failed" in html
    assert "Revision 17 of the mail settings" in html
    assert "Retry all 2 messages" in html
    assert f"/log/?q=incident%3A{incident.pk}" in html


def test_the_log_lists_exactly_its_mails_whatever_became_of_them(admin_client):
    own, others = [held("a@example.com"), held("b@example.com")], [held("c@example.com")]
    own.append(finished("sent").pk)
    incident = make_incident(mails=own)
    response = admin_client.get(f"/log/?q=incident:{incident.pk}")
    assert [mail.pk for mail in response.context["page"].rows] == sorted(own, reverse=True)
    response = admin_client.get(f"/log/?q=incident:{incident.pk}+a@example.com")
    assert [mail.pk for mail in response.context["page"].rows] == own[:1]
    response = admin_client.get(f"/log/?q=-incident:{incident.pk}")
    assert [mail.pk for mail in response.context["page"].rows] == others


def test_an_incident_that_there_is_not_is_said(admin_client):
    for query, said in [("incident:x", "not an incident number"), ("incident:9", "There is no incident 9")]:
        assert said in page(admin_client, f"/log/?q={query}"), (query, said)


def test_retrying_all_is_an_order_that_touches_only_what_can_be_retried(admin_client):
    own = [held(), held()]
    incident = make_incident(mails=[*own, finished("sent").pk])
    other = held()
    url = admin_client.get(f"/mail/incidents/{incident.pk}/").context["retry_url"]
    asked = admin_client.get(url)
    assert asked.context["count"] == 2
    fields = {**dict(asked.context["pairs"]), "do": "retry", "up_to": asked.context["up_to"]}
    assert admin_client.post("/log/actions/new/", fields).status_code == 302
    bulk.run()
    assert set(Message.objects.filter(status=Status.QUEUED).values_list("id", flat=True)) == set(own)
    assert Message.objects.get(pk=other).status == Status.HELD


def test_the_buttons_count_what_can_be_retried_and_offer_to_send_the_rest_again(admin_client):
    refused = [refused_message() for _ in range(3)]
    pk = queued("later@example.com")
    mail = claimed(pk)
    given_up = [RecipientOutcome(id=one.id, outcome="deferred", code=451) for one in mail.recipients]
    settle([settlement(mail, "failed", recipients=given_up, reason="451 try later")])
    partly = finished("partly_sent", "ann@example.com", "ben@example.com").pk
    incident = make_incident(mails=[*refused, pk, partly, finished("sent").pk])
    html = page(admin_client, f"/mail/incidents/{incident.pk}/")
    assert "Retry 1 message…" in html
    assert "Send 4 messages again…" in html
    for action, path, expected in [
        ("retry", f"q=incident%3A{incident.pk}+is%3Aretriable", [pk]),
        ("resend", f"q=incident%3A{incident.pk}+status%3Afailed%2Cpartly_sent+-is%3Aretriable", [*refused, partly]),
    ]:
        with case(action):
            assert f"/log/actions/new/?all=1&amp;do={action}&amp;{path}" in html
            found = bulk.targets(action, query=path, up_to=10**9).queryset()
            assert sorted(found.values_list("id", flat=True)) == expected
    final = make_incident(mails=refused, kind="spam")
    html = page(admin_client, f"/mail/incidents/{final.pk}/")
    assert "Retry" not in html
    assert "Send 3 messages again…" in html


def test_ending_is_a_post_that_names_who_did_it(admin, admin_client):
    incident = make_incident()
    path = f"/mail/incidents/{incident.pk}/ending/"
    assert admin_client.get(path).status_code == 405
    response = admin_client.post(path, follow=True)
    assert "was ended" in response.content.decode()
    incident.refresh_from_db()
    assert (incident.state, incident.ending, incident.ended_by) == ("ended", "person", str(admin))
    assert "had already ended" in admin_client.post(path, follow=True).content.decode()


def test_who_may_see_the_log_sees_incidents_but_only_who_steers_may_act():
    incident = make_incident(mails=[held()])
    reader = signed_in(make_user("reader@example.com", LOG))
    html = page(reader, f"/mail/incidents/{incident.pk}/")
    assert "Retry" not in html
    assert "/ending/" not in html
    assert reader.post(f"/mail/incidents/{incident.pk}/ending/").status_code == 403
    assert signed_in(make_user("nobody@example.com")).get("/mail/incidents/").status_code == 403


def test_open_incidents_stand_on_the_overview_the_log_and_the_queue(admin_client, colleague_client):
    make_incident(connection="Relay A")
    make_incident(connection="Relay B", state="ended", ended_at=timezone.now())
    make_incident(connection="Relay C", state="pending")
    for path in ("/", "/log/", "/mail/queue/"):
        html = page(admin_client, path)
        assert "535 on Relay A" in html, path
        assert "Relay B:" not in html
        assert "Relay C:" not in html
        assert 'title="1 is open">1<' in html
    assert "535 on Relay A" not in page(colleague_client, "/")


def test_an_incident_that_only_gathers_has_no_page(admin_client):
    incident = make_incident(state="pending")
    assert admin_client.get(f"/mail/incidents/{incident.pk}/").status_code == 404
    assert admin_client.get(f"/mail/incidents/{2**70}/").status_code == 404


def test_hostile_words_of_a_server_are_shown_and_not_run(admin_client):
    incident = make_incident(reply="<script>alert(1)</script>", connection="<b>x</b>")
    for path in ("/", "/mail/incidents/", f"/mail/incidents/{incident.pk}/"):
        html = page(admin_client, path)
        assert "<script>alert" not in html
        assert "<b>x</b>" not in html


def test_every_kind_and_every_ending_has_words(admin_client):
    for ending in ["", "recovered", "quiet", "gone", "person"]:
        for kind in [*KINDS, *OTHER_KINDS]:
            with rolled_back(ending, kind):
                at = timezone.now() if ending else None
                incident = make_incident(
                    kind=kind,
                    phase=kind if kind.isalpha() else "rcpt",
                    code=None,
                    ending=ending,
                    ended_at=at,
                    ended_by="Ann",
                    state="ended" if ending else "open",
                    recovered_at=timezone.now() - timedelta(hours=1),
                )
                html = page(admin_client, f"/mail/incidents/{incident.pk}/")
                assert ("Ended" in html) is bool(ending)


# ---------------------------------------------------------------- the command


def run(*arguments):
    out = StringIO()
    call_command("mail_incidents", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def refused(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value.returncode, str(caught.value)


def test_the_command_lists_what_is_open_and_with_all_what_has_ended():
    assert run() == "There are no open incidents.\n"
    make_incident()
    make_incident(state="ended", ended_at=timezone.now(), ending="quiet")
    assert "535 on Relay A" in run("list")
    assert [one["state"] for one in json.loads(run("--json"))] == ["open"]
    assert [one["state"] for one in json.loads(run("list", "--all", "--json"))] == ["open", "ended"]


def test_the_command_ends_and_retries():
    mails = [held(), held()]
    incident = make_incident(mails=[*mails, finished("sent").pk])
    assert json.loads(run("retry", str(incident.pk), "--json")) == {"due": 2, "left": 0}
    assert set(Message.objects.filter(pk__in=mails).values_list("status", flat=True)) == {Status.QUEUED}
    assert run("end", str(incident.pk)) == f"Ended: {incident.pk}.\n"
    assert refused("end", str(incident.pk)) == (1, "Nothing was ended: all of them had already ended.")


def test_the_command_says_wrong_use():
    assert refused("end")[0] == 2
    assert refused("end", "7")[0] == 2
    assert refused("list", "7")[0] == 2
    assert refused("retry", "x" * 30)[0] == 2
    assert refused("end", "1", "--all")[0] == 2
    assert refused("retry", str(make_incident().pk))[0] == 1
