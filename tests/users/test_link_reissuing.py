"""A mail with a link into an account is never sent again: a fresh link goes to the account's own address instead."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from mailadmin.api import Mail, send
from mailadmin.delivery import deliver
from maillog.models import AuditEvent, Content, Message, Recipient, Status
from tests.conftest import signed_in
from tests.factories import make_user
from tests.users.test_password_reset import NEW, ask, body_of, choose, link, path_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(mail_settings):
    mail_settings(driver="silent", from_address="mailadmin@example.com")
    return make_user(name="Ann Lee")


@pytest.fixture
def operator():
    return signed_in(make_user("op@example.com", "maillog.view_log", "maillog.resend_mail"))


@pytest.fixture
def old(client, ann):
    """The mail with Ann's first link, delivered: what it said is gone."""
    ask(client)
    mail = Message.objects.get()
    Message.objects.filter(pk=mail.pk).update(status=Status.SENT, next_attempt_at=None)
    Content.objects.filter(pk=mail.pk).delete()
    return Message.objects.get()


def address_of(mail):
    return reverse("maillog_actions:resend", args=[mail.pk])


def newest(than):
    return Message.objects.filter(pk__gt=than.pk).get()


def test_the_button_and_the_page_say_what_happens(operator, old):
    assert "Send a new link…" in operator.get(f"/log/{old.pk}/").text
    page = operator.get(address_of(old)).text
    assert "<strong>ann@example.com</strong>" in page
    assert not Message.objects.exclude(pk=old.pk).exists(), "asking sends nothing"


def test_a_fresh_link_goes_to_the_account_and_works(operator, old, ann):
    response = operator.post(address_of(old))
    new = newest(old)
    assert response["Location"] == f"/log/{new.pk}/"
    assert [one.address for one in Recipient.objects.filter(message=new)] == ["ann@example.com"]
    assert (new.is_sensitive, new.actor_id, new.resent_from) == (True, None, old.pk)
    choose(Client(), link())
    ann.refresh_from_db()
    assert ann.check_password(NEW)


def test_neither_the_page_of_the_new_mail_nor_the_trail_shows_the_link(operator, old):
    page = operator.post(address_of(old), follow=True)
    assert path_of(link()).rsplit("/", 2)[1] not in page.text
    assert "This message sends a new link" in page.text
    line = AuditEvent.objects.get(mail_number=old.pk)
    assert (line.action, line.actor_name, line.other_number) == (
        AuditEvent.Action.RESENT,
        "op@example.com",
        newest(old).pk,
    )


def test_the_person_gets_it_in_their_own_language(operator, old, ann):
    get_user_model().objects.filter(pk=ann.pk).update(language="de")
    operator.post(address_of(old))
    assert body_of(newest(old)).startswith("Guten Tag Ann Lee,")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"email": "other@example.com"}, "No account has the address"), ({"is_active": False}, "is closed")],
)
def test_it_is_refused_where_the_account_is_closed_or_has_another_address(operator, old, ann, change, reason):
    get_user_model().objects.filter(pk=ann.pk).update(**change)
    response = operator.post(address_of(old))
    assert response.status_code == 422
    assert reason in response.text
    assert Message.objects.count() == 1


def test_it_is_refused_while_the_old_mail_has_not_ended(operator, client, ann):
    ask(client)
    mail = Message.objects.get()
    assert "is not finished yet" in operator.get(address_of(mail)).text
    assert operator.post(address_of(mail)).status_code == 422
    assert Message.objects.count() == 1


def test_a_new_mail_that_cannot_be_made_is_said(operator, old, mail_settings):
    mail_settings(driver="smtp", from_address="")
    response = operator.post(address_of(old))
    assert response.status_code == 422
    assert "The new message cannot be created" in response.text
    assert Message.objects.count() == 1


def test_other_mails_with_a_code_stay_refused_with_the_reason(operator, ann):
    pk = send(Mail(to=[ann.email], subject="Your code", text="123456", sensitive=True))
    deliver.deliver_due()
    mail = Message.objects.get(pk=pk)
    assert "Resend…" in operator.get(f"/log/{pk}/").text
    response = operator.post(address_of(mail), {"whom": "same"})
    assert response.status_code == 422
    assert "This message contains a link or a code" in response.text
    assert Message.objects.count() == 1


def test_nobody_without_the_permission_gets_one_sent(old):
    client = signed_in(make_user("eve@example.com", "maillog.view_log"))
    assert client.post(address_of(old)).status_code == 403
    assert Message.objects.count() == 1
