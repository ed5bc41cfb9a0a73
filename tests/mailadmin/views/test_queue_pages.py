"""The queue page and what can be done there: who may, in which states, by which addresses, with what said."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailadmin.connections import circuit_breaker
from mailadmin.models import ConnectionState, WorkerHeartbeat
from maillog.models import Message, Status
from maillog.queue.settling import settle
from maillog.search.counts import newest_id
from secrets_app import vault
from tests.cases import case, rolled_back
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import claimed, finished, queued, settlement

pytestmark = pytest.mark.django_db

QUEUE, STATE = "/mail/queue/", "/mail/queue/state/"
RETRY, CANCEL = "/mail/queue/retry/", "/mail/queue/cancellation/"
RETRY_ALL, CANCEL_ALL = f"{RETRY}all/", f"{CANCEL}all/"
CONNECTION = "/mail/queue/connections/environment/"
State = ConnectionState.State


@pytest.fixture
def relay(mail_settings):
    """A connection that would be dialed if a mail were sent."""
    mail_settings(host="127.0.0.1", port=9, from_address="shop@example.com")
    return vault.connections()[0]


@pytest.fixture
def viewer(db):
    return signed_in(make_user("viewer@example.com", "maillog.view_log"))


@pytest.fixture
def manager(db):
    return signed_in(make_user("manager@example.com", "maillog.view_log", "mailadmin.manage_queue", name="Mona"))


@pytest.fixture
def blind_manager(db):
    """Somebody who may act but not see what on."""
    return signed_in(make_user("blind@example.com", "mailadmin.manage_queue"))


def held(reason="Relay A: 535 no", **fields):
    pk = queued()
    settle([settlement(claimed(pk), "held", attempt=None, reason=reason, **{"connection": "Relay A", **fields})])
    return pk


def in_state(status):
    """Return the number of a mail that is in this state."""
    pk = queued(due=timezone.now() + timedelta(hours=1))
    if status == Status.SENDING:
        claimed(pk)
    elif status != Status.QUEUED:
        attempt = {} if status in {"sent", "failed", "deferred", "uncertain"} else {"attempt": None}
        if status == Status.CANCELLED:
            Message.objects.filter(pk=pk).update(status=status, next_attempt_at=None)
        else:
            settle([settlement(claimed(pk), status, **attempt)])
    return pk


def status_of(pk):
    return Message.objects.get(pk=pk).status


def body(response):
    return response.content.decode()


def said(response):
    return [str(message) for message in response.context["messages"]]


# ---------------------------------------------------------------- who


def actions(pk):
    """Return every address that acts, with what a form would send there."""
    every = {"ids": [pk], "up_to": pk, "status": "", "connection": ""}
    return [
        (f"/mail/queue/{pk}/retry/", {}),
        (f"/mail/queue/{pk}/cancellation/", {}),
        (RETRY, every),
        (CANCEL, every),
        (RETRY_ALL, every),
        (CANCEL_ALL, every),
        (f"{CONNECTION}pause/", {}),
        (f"{CONNECTION}resumption/", {}),
        (f"{CONNECTION}probe/", {}),
    ]


def everything():
    return list(Message.objects.order_by("pk").values()), list(ConnectionState.objects.values())


def test_who_may_not_act_changes_nothing(colleague_client, viewer, blind_manager, relay):
    pk = held()
    circuit_breaker.pause(relay, by="Ann")
    before = everything()
    clients = {"anonymous": Client(), "colleague": colleague_client, "viewer": viewer, "blind manager": blind_manager}
    for who, client in clients.items():
        with case(who):
            for url, data in actions(pk):
                response = client.post(url, data)
                if who == "anonymous":
                    assert response.status_code == 302, url
                    assert response["Location"].startswith("/account/login/"), url
                else:
                    assert response.status_code == 403, url
            assert everything() == before


def test_who_may_see_the_queue(request):
    for who, status in [
        ("viewer", 200),
        ("manager", 200),
        ("admin_client", 200),
        ("colleague_client", 403),
        ("blind_manager", 403),
    ]:
        with case(who):
            client = request.getfixturevalue(who)
            assert client.get(QUEUE).status_code == status
            assert client.get(STATE).status_code == status
            for url in (RETRY_ALL, CANCEL_ALL):
                assert client.get(url).status_code == (200 if who in {"manager", "admin_client"} else 403)


def test_a_viewer_sees_no_button(viewer, relay):
    held()
    page = body(viewer.get(QUEUE))
    assert "Your invoice" in page
    assert "/mail/queue/retry/all/" not in page
    assert 'type="checkbox"' not in page
    assert "pause/" not in page


def test_nothing_is_done_by_asking(manager, relay):
    pk = held()
    before = everything()
    for url, data in actions(pk):
        answer = manager.get(url, data)
        assert answer.status_code == (200 if url in {RETRY_ALL, CANCEL_ALL} else 405), url
    assert everything() == before


# ---------------------------------------------------------------- what on which state

TOUCHED = {
    "retry": {"queued", "deferred", "held", "uncertain"},
    "cancellation": {"queued", "deferred", "held", "uncertain", "sending"},
}


def test_an_action_on_one_mail_touches_it_or_says_why_not(manager, admin_client):
    for who, client in {"manager": manager, "administrator": admin_client}.items():
        for status in Status.values:
            for action in TOUCHED:
                with rolled_back(who, status, action):
                    pk = in_state(status)
                    before = Message.objects.values().get(pk=pk)
                    answer = client.post(f"/mail/queue/{pk}/{action}/", {"next": f"/log/{pk}/"}, follow=True)
                    assert answer.redirect_chain == [(f"/log/{pk}/", 302)]
                    (message,) = said(answer)
                    if status in TOUCHED[action]:
                        assert message == ("1 message is due now." if action == "retry" else "1 message was cancelled.")
                        assert status_of(pk) == ("queued" if action == "retry" else "cancelled")
                    else:
                        assert "was not " in message
                        assert Message.objects.values().get(pk=pk) == before


@pytest.mark.parametrize("url", [RETRY, CANCEL])
def test_an_action_on_the_ticked_mails_touches_those_alone_and_counts(manager, url):
    first, second, other, sent = held(), in_state("deferred"), held(), in_state("sent")
    answer = manager.post(url, {"ids": [first, second, sent]}, follow=True)
    assert said(answer)[0] == ("2 messages are due now." if url == RETRY else "2 messages were cancelled.")
    assert said(answer)[1] == "1 message was not changed: it is being sent or already finished."
    wanted = "queued" if url == RETRY else "cancelled"
    assert [status_of(pk) for pk in (first, second, other, sent)] == [wanted, wanted, "held", "sent"]


def test_who_cancelled_is_written_with_the_mail(manager):
    pk = held()
    manager.post(f"/mail/queue/{pk}/cancellation/")
    assert Message.objects.get(pk=pk).reason == "Cancelled by Mona."


def test_a_retry_wakes_the_worker_and_a_cancellation_does_not(manager, jobs):
    manager.post(f"/mail/queue/{held()}/cancellation/")
    assert jobs.names == []
    manager.post(f"/mail/queue/{held()}/retry/")
    assert jobs.names == ["deliver_due_mails"]


# ---------------------------------------------------------------- all that match


def test_all_are_retried_after_the_page_has_said_how_many(manager):
    ids = [held(), in_state("deferred"), in_state("uncertain"), in_state("queued")]
    page = body(manager.get(RETRY_ALL))
    assert "Retry 2 messages?" in page
    assert "Deferred, Held" in page
    (up_to,) = re.findall(r'name="up_to" value="(\d+)"', page)
    late = held()
    answer = manager.post(RETRY_ALL, {"up_to": up_to, "status": "", "connection": ""}, follow=True)
    assert said(answer) == ["2 messages are due now."]
    assert [status_of(pk) for pk in [*ids, late]] == ["queued", "queued", "uncertain", "queued", "held"]


@pytest.mark.both_databases
def test_all_of_one_state_and_connection_are_cancelled(manager):
    ids = [held(), held(connection="Relay B"), in_state("deferred"), in_state("sending")]
    query = {"status": "held", "connection": "Relay A"}
    page = body(manager.get(CANCEL_ALL, query))
    assert "Cancel 1 message?" in page
    answer = manager.post(CANCEL_ALL, {**query, "up_to": newest_id()}, follow=True)
    assert said(answer) == ["1 message was cancelled."]
    assert answer.redirect_chain == [("/mail/queue/?status=held&connection=Relay+A", 302)]
    assert [status_of(pk) for pk in ids] == ["cancelled", "held", "deferred", "sending"]


def test_the_page_that_asks_warns_of_what_may_surprise(manager):
    in_state("uncertain")
    assert "may get them twice" in body(manager.get(RETRY_ALL, {"status": "uncertain"}))
    in_state("queued")
    assert "Scheduled messages are sent now, too" in body(manager.get(RETRY_ALL, {"status": "queued"}))
    assert "cannot be undone" in body(manager.get(CANCEL_ALL))


def test_where_nothing_matches_any_more_the_page_says_so(manager):
    assert "No message matches any more" in body(manager.get(CANCEL_ALL))
    assert "No message matches any more" in body(manager.get(RETRY_ALL, {"status": "sending"}))


def test_more_than_a_request_can_do_are_done_in_portions(manager, monkeypatch):
    monkeypatch.setattr("mailadmin.operations.control.MAX_PER_REQUEST", 1)
    monkeypatch.setattr("maillog.queue.actions.BATCH", 2)
    for _ in range(5):
        held()
    fields = {"status": "held", "connection": "", "up_to": newest_id()}
    answers = [manager.post(CANCEL_ALL, fields) for _ in range(3)]
    assert [answer["Location"] for answer in answers] == [*[f"{CANCEL_ALL}?status=held"] * 2, f"{QUEUE}?status=held"]


# ---------------------------------------------------------------- connections


def test_a_connection_is_paused_and_resumed_and_what_it_held_goes_on(manager, relay, jobs):
    answer = manager.post(f"{CONNECTION}pause/", follow=True)
    assert said(answer) == ["“environment” is paused. Its messages are held until it is resumed."]
    row = ConnectionState.objects.get()
    assert (row.state, row.paused_by, row.reason) == (State.PAUSED, "Mona", "Paused by Mona.")
    page = body(answer)
    assert "Paused by Mona." in page
    assert "resumption/" in page
    assert "probe/" not in page, "trying it would not open what somebody closed"
    waiting = held(connection="environment")
    answer = manager.post(f"{CONNECTION}resumption/", follow=True)
    assert said(answer) == ["“environment” is open again. Held messages are being sent."]
    assert ConnectionState.objects.get().state == State.OPEN
    assert status_of(waiting) == Status.QUEUED
    assert "deliver_due_mails" in jobs.names


def test_pausing_twice_keeps_the_first_name_and_says_so(manager, relay):
    circuit_breaker.pause(relay, by="Ann")
    answer = manager.post(f"{CONNECTION}pause/", follow=True)
    assert said(answer) == ["“environment” was already paused."]
    assert ConnectionState.objects.get().paused_by == "Ann"
    circuit_breaker.resume("environment")
    assert said(manager.post(f"{CONNECTION}resumption/", follow=True)) == ["“environment” was already open."]


@pytest.mark.django_db(transaction=True)
def test_try_again_now_opens_a_connection_that_answers(manager, mail_settings, start_smtp, jobs):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com")
    ConnectionState.objects.create(connection="environment", name="environment", state=State.UNREACHABLE, reason="gone")
    waiting = held(connection="environment")
    answer = manager.post(f"{CONNECTION}probe/", follow=True)
    assert said(answer) == ["“environment” works again and is open. Held messages are being sent."]
    assert ConnectionState.objects.get().state == State.OPEN
    assert status_of(waiting) == Status.QUEUED
    assert len(server.sign_ins) == 1


@pytest.mark.django_db(transaction=True)
def test_try_again_now_says_that_a_connection_is_still_closed(manager, mail_settings, start_smtp):
    server = start_smtp(password="right")
    mail_settings(**{**server.fields, "password": "canary-wrong"}, from_address="shop@example.com", timeout=30)
    ConnectionState.objects.create(connection="environment", name="environment", state=State.PAUSED, reason="old")
    answer = manager.post(f"{CONNECTION}probe/", follow=True)
    assert "still closed" in said(answer)[0]
    assert "535" in said(answer)[0]
    assert "canary" not in body(answer)


def test_trying_again_leaves_alone_what_somebody_paused(manager, relay):
    circuit_breaker.pause(relay, by="Ann")
    assert "was paused manually" in said(manager.post(f"{CONNECTION}probe/", follow=True))[0]
    assert ConnectionState.objects.get().paused_by == "Ann"


def test_a_connection_that_is_not_there_is_not_found(manager, relay):
    for name in ["nowhere", "0", "99999999999999999999999", "ENVIRONMENT"]:
        with case(name):
            for action in ("pause", "resumption", "probe"):
                assert manager.post(f"/mail/queue/connections/{name}/{action}/").status_code == 404
            assert not ConnectionState.objects.exists()


# ---------------------------------------------------------------- the page


def test_the_list_says_what_waits_why_for_what_and_until_when(viewer, relay):
    pk = held(reason="Relay A: 535 <no>")
    queued(
        "bob@example.com",
        subject="Later",
        due=timezone.now() + timedelta(hours=5, seconds=5),
        connection_hint="Relay B",
    )
    finished("deferred", settled={"reason": "451 try later", "next_attempt_at": timezone.now() + timedelta(seconds=95)})
    page = body(viewer.get(QUEUE))
    for words in ("Relay A: 535 &lt;no&gt;", "when the connection is open", "Scheduled.", "in 5 h", "Relay B",
                  "451 try later", "in 94 s", "bob@example.com", f"/log/{pk}/"):  # fmt: skip
        assert words in page, words
    assert [row.status for row in viewer.get(QUEUE).context["rows"]] == ["held", "queued", "deferred"], "oldest first"


def test_an_uncertain_mail_waits_for_somebody_or_for_its_time(viewer):
    finished("uncertain")
    finished("uncertain", settled={"next_attempt_at": timezone.now() - timedelta(seconds=10)})
    nexts = [row.next for row in viewer.get(QUEUE).context["rows"]]
    assert nexts[0] == "after a decision"
    assert nexts[1].startswith("due for ")


def test_what_has_ended_is_not_listed(viewer):
    for status in ("sent", "failed", "cancelled"):
        in_state(status)
    page = body(viewer.get(QUEUE))
    assert "Nothing waits" in page
    assert "Your invoice" not in page


@pytest.mark.both_databases
def test_pages_lead_from_the_oldest_to_the_newest_and_back(viewer):
    ids = [held() if n % 2 else queued() for n in range(120)]
    seen, url = [], QUEUE
    while url:
        answer = viewer.get(url)
        seen.append([row.pk for row in answer.context["rows"]])
        url = f"{QUEUE}{answer.context['newer']}" if answer.context["page"].newer else ""
    assert [len(page) for page in seen] == [50, 50, 20]
    assert [pk for page in seen for pk in page] == ids
    back = viewer.get(f"{QUEUE}{answer.context['older']}")
    assert [row.pk for row in back.context["rows"]] == ids[50:100]
    first = viewer.get(f"{QUEUE}{back.context['older']}")
    assert [row.pk for row in first.context["rows"]] == ids[:50]
    assert first.context["page"].older is None
    assert "There are no newer messages" in body(viewer.get(f"{QUEUE}?after={ids[-1]}"))


def test_the_filter_takes_a_state_and_a_connection(viewer):
    mine, _other = held(), held(connection="Relay B")
    in_state("deferred")
    rows = viewer.get(QUEUE, {"status": "held", "connection": "Relay A"}).context["rows"]
    assert [row.pk for row in rows] == [mine]
    assert "Nothing matches" in body(viewer.get(QUEUE, {"status": "uncertain"}))


def test_without_any_connection_the_page_says_why_everything_is_held(admin_client):
    page = body(admin_client.get(QUEUE))
    assert "no connection yet" in page
    assert reverse("secrets_app:list") in page


def test_a_driver_without_connections_is_named(viewer, mail_settings):
    mail_settings(driver="log")
    assert "uses no connection" in body(viewer.get(QUEUE))


def test_the_state_renews_itself_alone_and_keeps_the_filter(viewer, relay):
    held()
    answer = viewer.get(STATE, {"status": "held"})
    part = body(answer)
    assert 'hx-get="/mail/queue/state/?status=held"' in part
    assert 'hx-trigger="every 5s"' in part
    assert "<html" not in part
    assert "Your invoice" not in part
    assert 'aria-current="true"' in part


@pytest.mark.both_databases
def test_an_unreachable_connection_shows_when_it_is_tried_again_and_how_many_wait(viewer, relay, still_clock):
    ConnectionState.objects.create(
        connection="environment", name="environment", state=State.UNREACHABLE, reason="Connection refused",
        since=timezone.now() - timedelta(minutes=4), probe_at=timezone.now() + timedelta(seconds=50),
    )  # fmt: skip
    for _ in range(3):
        held(connection="environment")
    page = body(viewer.get(QUEUE))
    for words in ("Unreachable", "Connection refused", "4\xa0minutes ago", "tried again", "3 held"):
        assert words in page, words


def test_the_workers_are_counted_or_missed(viewer, relay, still_clock):
    assert "No worker has been seen yet." in body(viewer.get(QUEUE))
    for name in ("a:1", "b:2"):
        WorkerHeartbeat.objects.create(
            name=name, started_at=timezone.now(), seen_at=timezone.now() - timedelta(seconds=4)
        )
    assert "2 workers, seen 4 s ago" in body(viewer.get(QUEUE))
    WorkerHeartbeat.objects.update(seen_at=timezone.now() - timedelta(minutes=3))
    page = body(viewer.get(QUEUE))
    assert "No worker has been seen for 3 min." in page
    assert "<code>make worker</code> starts one." in page


@pytest.mark.parametrize("many", [1, 60])
def test_the_number_of_queries_does_not_grow_with_the_queue(viewer, relay, many):
    for _ in range(many):
        held()
        in_state("deferred")
    ConnectionState.objects.create(connection="environment", name="environment", state=State.PAUSED, reason="x")
    viewer.get(QUEUE)
    with CaptureQueriesContext(connection) as captured:
        viewer.get(QUEUE)
    assert len(captured) <= 20, "\n".join(query["sql"] for query in captured.captured_queries)
    for query in captured.captured_queries:
        assert "OFFSET" not in query["sql"]


# ---------------------------------------------------------------- hostile input

HOSTILE = ["0", "-1", "abc", "1; DROP TABLE x", "9" * 30, "\x00", "1.5", "<script>", "²", "1e3", "x" * 100_000]


@pytest.mark.both_databases
def test_hostile_numbers_touch_nothing_and_are_answered(manager, relay):
    pk = held()
    before = everything()
    for value in HOSTILE:
        with case(value):
            for url in (RETRY, CANCEL):
                answer = manager.post(url, {"ids": [value]}, follow=True)
                assert answer.status_code == 200
                assert said(answer)[0].startswith("Nothing was changed."), url
                assert manager.post(url, {"ids": [pk, value]}).status_code == 302
            for url in (RETRY_ALL, CANCEL_ALL):
                accepted = value == "0"  # no mail is that old
                assert manager.post(url, {"up_to": value}).status_code == (302 if accepted else 422)
                assert manager.post(url, {"up_to": pk, "status": value}).status_code == 422
                assert manager.post(url, {"up_to": pk, "connection": value}).status_code == 422
            for name in ("status", "connection", "before", "after", "up_to"):
                assert manager.get(QUEUE, {name: value}).status_code == 200
                assert manager.get(STATE, {name: value}).status_code == 200
            assert everything() == before


def test_a_wrong_filter_lists_nothing_and_is_said(manager):
    held()
    page = body(manager.get(QUEUE, {"status": "bogus", "before": "x"}))
    assert "Nothing is listed" in page
    assert "Your invoice" not in page
    assert "all/" not in page


@pytest.mark.parametrize("url", [RETRY_ALL, CANCEL_ALL])
def test_the_number_of_the_newest_mail_has_to_be_confirmed(manager, url):
    pk = held()
    answer = manager.post(url, {})
    assert answer.status_code == 422
    assert "newest message is missing" in body(answer)
    assert status_of(pk) == "held"


def test_no_mail_ticked_is_said(manager):
    assert said(manager.post(RETRY, {}, follow=True)) == ["Nothing was changed. Select at least one message."]


def test_a_mail_that_is_not_there_is_not_found(manager):
    for pk in ["0", "999999", "9" * 30]:
        with case(pk):
            for action in ("retry", "cancellation"):
                assert manager.post(f"/mail/queue/{pk}/{action}/").status_code == 404


def test_nobody_is_sent_elsewhere_after_an_action(manager):
    for place in ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "x"]:
        with case(place):
            answer = manager.post(RETRY, {"ids": [held()], "next": place})
            assert answer["Location"] == QUEUE


# ---------------------------------------------------------------- the page of one mail


def test_the_page_of_a_mail_has_the_buttons_that_help(manager, viewer):
    for status in Status.values:
        with case(status):
            pk = in_state(status)
            page = body(manager.get(f"/log/{pk}/"))
            assert (f"/mail/queue/{pk}/retry/" in page) == (status in TOUCHED["retry"])
            assert (f"/mail/queue/{pk}/cancellation/" in page) == (status in TOUCHED["cancellation"])
            assert "/mail/queue/" + str(pk) not in body(viewer.get(f"/log/{pk}/"))


def test_the_page_of_a_failed_mail_offers_a_retry_if_somebody_is_left_to_get_it(manager):
    refused = in_state("failed")
    assert "It cannot be retried: each recipient has accepted or refused it." in body(manager.get(f"/log/{refused}/"))
    pk = queued()
    settle([settlement(claimed(pk), "failed", recipients=[])])
    assert f"/mail/queue/{pk}/retry/" in body(manager.get(f"/log/{pk}/"))
