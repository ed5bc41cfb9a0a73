"""The pages of what is done with mails: asked first, permission by permission, and what is wrong is said."""

import pytest
from django.utils import timezone

from mailadmin.models import BulkAction
from mailadmin.operations import bulk
from maillog.models import AuditEvent, Content, Message, RetentionRules
from maillog.queue.actions import cancel
from maillog.retention import rules as retention
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import finished, queued

pytestmark = pytest.mark.django_db

LOG, BODY = "maillog.view_log", "maillog.view_body"


@pytest.fixture(autouse=True)
def configured(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")


def text(response):
    return response.content.decode()


def person(*permissions):
    return signed_in(make_user("ann@example.com", LOG, *permissions))


# ---------------------------------------------------------------- sending again


def test_without_the_right_to_see_bodies_a_mail_goes_to_its_own_recipients_only():
    client, old = person("maillog.resend_mail"), finished()
    page = text(client.get(f"/log/{old.pk}/resending/"))
    assert "The same recipients: ann@example.com" in page
    assert "Another address" not in page
    for whom in ("me", "other"):
        response = client.post(f"/log/{old.pk}/resending/", {"whom": whom, "address": "eve@example.com"})
        assert response.status_code == 422
    assert Message.objects.count() == 1
    response = client.post(f"/log/{old.pk}/resending/", {"whom": "same"})
    new = Message.objects.get(resent_from=old.pk)
    assert response["Location"] == f"/log/{new.pk}/"


@pytest.mark.both_databases
def test_a_wrong_address_is_said_at_the_field_and_nothing_is_sent(admin_client):
    old = finished()
    for typed, says in [
        ({}, "This field is required."),
        ({"whom": "nobody"}, "not one of the available choices"),
        ({"whom": "other"}, "Enter the address to send it to."),
        ({"whom": "other", "address": "a@example.com, b@example.com"}, "One thing needs correcting"),
        ({"whom": "other", "address": "a@example.com\r\nBcc: eve@example.com"}, "One thing needs correcting"),
        ({"whom": "other", "address": "x" * 5_000}, "One thing needs correcting"),
    ]:
        with case(typed):
            response = admin_client.post(f"/log/{old.pk}/resending/", typed)
            assert response.status_code == 422
            assert says in text(response)
            assert Message.objects.count() == 1


def test_a_mail_with_a_link_is_refused_with_the_advice(admin_client):
    old = finished(is_sensitive=True)
    for response in (
        admin_client.get(f"/log/{old.pk}/resending/"),
        admin_client.post(f"/log/{old.pk}/resending/", {"whom": "same"}),
    ):
        assert "Ask the recipient to request a new one" in text(response)
    assert Message.objects.count() == 1


def test_a_mail_whose_content_went_while_the_form_was_open_is_refused(admin_client):
    old = finished()
    admin_client.get(f"/log/{old.pk}/resending/")
    Content.objects.all().delete()
    response = admin_client.post(f"/log/{old.pk}/resending/", {"whom": "same"})
    assert response.status_code == 422
    assert "no longer stored" in text(response)


# ---------------------------------------------------------------- deleting


def test_deleting_is_asked_first_done_once_and_noted(admin_client, admin):
    old = finished()
    assert f"Delete message {old.pk}?" in text(admin_client.get(f"/log/{old.pk}/deletion/"))
    assert admin_client.post(f"/log/{old.pk}/deletion/")["Location"] == "/log/"
    assert admin_client.post(f"/log/{old.pk}/deletion/").status_code == 404
    assert list(AuditEvent.objects.values_list("mail_number", "action", "actor_id")) == [(old.pk, "deleted", admin.pk)]
    assert f"Message {old.pk}" in text(admin_client.get("/log/audit/"))


def test_a_mail_that_waits_again_is_not_deleted(admin_client):
    old = finished("failed")
    admin_client.get(f"/log/{old.pk}/deletion/")
    Message.objects.update(status="queued", next_attempt_at=timezone.now())
    response = admin_client.post(f"/log/{old.pk}/deletion/")
    assert response.status_code == 422
    assert "has not ended yet" in text(response)
    assert Message.objects.count() == 1


# ---------------------------------------------------------------- who looked at what


def test_looking_at_a_body_is_noted_and_shown_to_those_with_the_right(admin_client, admin):
    mail = finished()
    for address in ("", "preview/", "source/", "?tab=text"):
        admin_client.get(f"/log/{mail.pk}/{address}")
    assert sorted(AuditEvent.objects.values_list("action", flat=True)) == ["downloaded", "viewed"]
    assert "Content viewed" in text(admin_client.get(f"/log/{mail.pk}/"))
    reader = person()
    assert "Content viewed" not in text(reader.get(f"/log/{mail.pk}/"))
    assert AuditEvent.objects.filter(actor__email="ann@example.com").count() == 0, "she saw no body"


def test_what_is_not_shown_is_not_noted_as_seen(admin_client):
    mail = finished(is_sensitive=True)
    admin_client.get(f"/log/{mail.pk}/")
    admin_client.head(f"/log/{finished().pk}/")
    assert not AuditEvent.objects.exists()


def test_retrying_and_cancelling_on_the_queue_page_is_noted_too(admin_client, admin):
    first, second = queued(), queued()
    admin_client.post(f"/mail/queue/{first}/cancellation/")
    admin_client.post("/mail/queue/retry/", {"ids": [first, second]})
    found = list(AuditEvent.objects.order_by("pk").values_list("mail_number", "action", "actor_id"))
    assert found == [(first, "cancelled", admin.pk), (second, "retried", admin.pk)]
    assert "Cancelled" in text(admin_client.get(f"/log/{first}/"))


def test_a_trail_with_nonsense_in_its_address_says_so(admin_client):
    page = text(admin_client.get("/log/audit/?before=x&mail=99999999999999999999"))
    assert "(before) is not a number" in page
    assert "Message: Ensure this value is less than or equal to" in page


# ---------------------------------------------------------------- many mails


def test_it_says_how_many_before_and_does_that_many_after(admin_client, jobs, django_capture_on_commit_callbacks):
    for _ in range(3):
        finished("failed")
    kept = finished()
    page = text(admin_client.get("/log/actions/new/?all=1&status=failed&do=delete"))
    assert "Delete 3 messages?" in page
    typed = {"all": "1", "status": "failed", "do": "delete", "up_to": kept.pk}
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_client.post("/log/actions/new/", typed)
    assert Message.objects.count() == 4
    assert jobs.names == ["run_bulk_actions"]
    bulk.run()
    assert list(Message.objects.values_list("pk", flat=True)) == [kept.pk]
    assert "Done" in text(admin_client.get(response["Location"]))


def test_without_a_tick_nothing_is_touched_and_least_of_all_everything(admin_client):
    finished()
    for query in ("", "?do=delete", "?do=delete&status=sent", "?do=delete&ids=", "?do=delete&ids=x", "?ids=-1"):
        page = text(admin_client.get(f"/log/actions/new/{query}"))
        assert "Nothing was changed." in page, query
    response = admin_client.post("/log/actions/new/", {"do": "delete", "up_to": "99"})
    assert response.status_code == 422
    assert not BulkAction.objects.exists()


@pytest.mark.both_databases
def test_what_cannot_be_used_is_said_and_orders_nothing(admin_client):
    finished()
    for query in [
        "all=1&do=explode",
        "all=1&do=delete&status=nonsense",
        "all=1&do=delete&date_from=yesterday",
        "all=1&do=delete&q=" + "x" * 600,
        "all=1&do=delete&up_to=-1",
        "all=1&do=delete&up_to=99999999999999999999",
        "all=1&do=delete&" + "&".join(f"x{n}=1234567" for n in range(900)),
        "do=delete&" + "&".join(f"ids={n}" for n in range(1, 502)),
    ]:
        with case(query):
            response = admin_client.get(f"/log/actions/new/?{query}")
            assert response.status_code == 200
            assert "Nothing was changed." in text(response)
            response = admin_client.post("/log/actions/new/", query, content_type="application/x-www-form-urlencoded")
            assert response.status_code == 422
            assert not BulkAction.objects.exists()


def test_each_action_needs_its_own_permission():
    needs = {"resend": "maillog.resend_mail", "delete": "maillog.delete_mail", "cancel": "mailadmin.manage_queue"}
    for action, permission in needs.items():
        user = make_user(f"{action}@example.com", LOG, permission)
        client = signed_in(user)
        finished()
        queued()
        for other in needs:
            expected = 200 if other == action else 403
            assert client.get(f"/log/actions/new/?all=1&do={other}").status_code == expected, (action, other)
            if other != action:
                posted = client.post("/log/actions/new/", {"all": "1", "do": other, "up_to": "99"})
                assert posted.status_code == 403
    assert not BulkAction.objects.exists()


def test_somebody_who_may_only_look_gets_neither_ticks_nor_actions():
    finished()
    client = person()
    page = text(client.get("/log/"))
    assert 'name="ids"' not in page
    assert "export.csv" in page
    assert "not change anything" in text(client.get("/log/actions/new/?all=1"))


def test_an_order_of_somebody_else_may_be_stopped_by_whoever_may_give_such_orders(admin):
    one = bulk.create("delete", actor=admin, total=1, up_to=1)
    assert person().post(f"/log/actions/{one.pk}/stop/").status_code == 403
    client = signed_in(make_user("ben@example.com", LOG, "maillog.delete_mail"))
    client.post(f"/log/actions/{one.pk}/stop/")
    assert "Stopped by" in text(client.get(f"/log/actions/{one.pk}/"))


def test_mails_that_left_the_selection_meanwhile_end_with_nothing_to_do(admin_client, admin):
    pk = queued()
    address = f"/log/actions/new/?ids={pk}&do=cancel"
    assert "Cancel 1 message?" in text(admin_client.get(address))
    cancel([pk])
    response = admin_client.post("/log/actions/new/", {"ids": pk, "do": "cancel", "up_to": pk})
    assert response.status_code == 422
    assert "There is nothing to do" in text(response)


# ---------------------------------------------------------------- retention


def rules(**changed):
    return {name: str(days) for name, days in {**retention.DEFAULTS, **changed}.items()}


@pytest.mark.both_databases
def test_the_rules_are_changed_with_who_and_when(admin_client):
    assert (
        admin_client.post("/log/retention/rules/", rules(row_sent=100, audit_log=""))["Location"] == "/log/retention/"
    )
    assert retention.rules()["row_sent"] == 100
    assert retention.rules()["audit_log"] is None
    page = text(admin_client.get("/log/retention/"))
    assert "100 days" in page
    assert "changed by admin@example.com" in page


def test_rules_that_cannot_be_are_said_at_the_field_and_nothing_changes(admin_client):
    for changed, says in [
        ({"row_sent": "0"}, "at least 1 day"),
        ({"row_sent": "-5"}, "at least 1 day"),
        ({"row_sent": "3651"}, "at most 3650 days"),
        ({"row_sent": "a year"}, "whole number of days"),
        ({"row_sent": "1.5"}, "whole number of days"),
        ({"row_sent": "9" * 5_000}, "days"),
        ({"row_sent": "20"}, "at most 20 days"),
        ({"body_sent": ""}, "at most 365 days"),
        ({"audit_log": "٣x"}, "whole number of days"),
    ]:
        with case(changed):
            response = admin_client.post("/log/retention/rules/", rules(**changed))
            assert response.status_code == 422
            assert says in text(response)
            assert not RetentionRules.objects.exists()
