import logging
import re
import time
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user, get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.urls import reverse

from mailadmin.http_api import api_keys
from maillog.content.storage import unpack
from maillog.models import Message, Status
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import PASSWORD, make_user
from users.adapter import AccountAdapter

RESET = "/account/password/reset/"
NEW = "tremendous-gate-9"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(mail_settings):
    mail_settings(driver="silent", from_address="mailadmin@example.com")
    return make_user(name="Ann Lee")


def ask(client, email="ann@example.com", **extra):
    return client.post(RESET, {"email": email}, **extra)


def body_of(mail: Message) -> str:
    part = message_from_bytes(unpack(mail.content.mime), policy=policy.default).get_body(("plain",))
    assert part
    return str(part.get_content()).replace("\r\n", "\n")


def link() -> str:
    """The address in the newest mail."""
    found = re.search(r"^https?://\S+$", body_of(Message.objects.latest("id")), re.MULTILINE)
    assert found
    return found[0]


def path_of(url: str) -> str:
    assert url.startswith(django_settings.BASE_URL + "/")
    return url.removeprefix(django_settings.BASE_URL)


def choose(client, url: str, password: str = NEW):
    page = client.get(path_of(url), follow=True)
    return client.post(page.request["PATH_INFO"], {"password1": password, "password2": password}, follow=True)


def test_the_mail_goes_through_our_own_send_path(client, ann):
    response = ask(client)
    assert response["Location"] == reverse("account_reset_password_done")
    mail = Message.objects.get()
    assert mail.status == Status.QUEUED
    assert mail.subject == "Set a new password for Mailadmin"
    assert mail.is_sensitive
    assert mail.recipients.get().address == "ann@example.com"
    assert mail.actor is None
    assert "Hello Ann Lee," in body_of(mail)
    assert "for 72 hours" in body_of(mail)


def test_the_mail_is_in_the_language_of_the_person_not_of_the_visitor(client, ann):
    get_user_model().objects.filter(pk=ann.pk).update(language="de")
    ask(client, headers={"accept-language": "en"})
    mail = Message.objects.get()
    assert (mail.subject, mail.language) == ("Neues Passwort für Mailadmin festlegen", "de")
    assert body_of(mail).startswith("Guten Tag Ann Lee,")
    assert path_of(link()).startswith("/account/password/reset/key/")


def test_known_and_unknown_addresses_get_the_same_answer(ann):
    make_user("closed@example.com", is_active=False)
    answers = []
    for email in ("ann@example.com", "nobody@example.com", "closed@example.com"):
        client = Client()
        first = ask(client, email)
        page = client.get(first["Location"])
        text = page.text.replace(str(page.context["csrf_token"]), "")
        answers.append((first.status_code, first["Location"], text))
    assert answers[0][2]
    assert len(set(answers)) == 1
    assert [mail.recipients.get().address for mail in Message.objects.all()] == ["ann@example.com"]


def test_the_reset_mail_waits_for_the_worker_even_where_mails_are_sent_instantly(client, ann, mail_settings):
    # Sent while the visitor waits, it would tell by the time it takes whether there is such an account.
    mail_settings(driver="smtp", send_mode="instant", from_address="mailadmin@example.com")
    ask(client)
    assert Message.objects.get().mode == "background"


def test_the_link_is_made_from_the_configured_address(client, ann, settings):
    settings.BASE_URL = "https://mail.example.org"
    settings.ALLOWED_HOSTS = ["testserver", "evil.example"]
    ask(client, headers={"host": "evil.example"})
    assert link().startswith("https://mail.example.org/account/password/reset/key/")
    assert "evil.example" not in body_of(Message.objects.get())


def test_a_host_name_that_is_not_ours_is_refused(client, ann):
    assert ask(client, headers={"host": "evil.example"}).status_code == 400
    assert not Message.objects.exists()


def test_the_link_sets_a_new_password_once(client, ann):
    ask(client)
    url = link()
    response = choose(client, url)
    assert response.redirect_chain[-1][0] == reverse("account_reset_password_from_key_done")
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert not get_user(client).is_authenticated
    again = Client().get(path_of(url), follow=True)
    assert "This link does not work" in again.text


def test_the_key_does_not_stay_in_the_address_bar(client, ann):
    ask(client)
    response = client.get(path_of(link()))
    assert response.status_code == 302
    assert response["Location"].endswith("-set-password/")


def test_every_session_ends_with_a_reset(client, ann):
    before = signed_in(ann)
    assert before.get("/account/profile/").status_code == 200
    ask(client)
    choose(client, link())
    assert before.get("/account/profile/").status_code == 302


def test_a_weak_new_password_is_refused_at_the_field(client, ann):
    ask(client)
    response = choose(client, link(), "short")
    assert any("too short" in text for text in response.context["form"].errors["password1"])
    ann.refresh_from_db()
    assert ann.check_password(PASSWORD)


def test_a_made_up_link_is_refused_in_plain_words(client, ann):
    for key in ["1-set-password", "zzzzzzzzzzzzzz-abc", "1-abc-" + "0" * 64, "0-%00", "9" * 400 + "-x"]:
        with case(key):
            response = client.get(f"/account/password/reset/key/{key}/", follow=True)
            assert response.status_code == 200
            assert "This link does not work" in response.text


def test_a_mail_that_cannot_be_queued_neither_breaks_the_page_nor_tells(client, ann, mail_settings, caplog):
    mail_settings(driver="smtp")  # no From address: api.send refuses
    with caplog.at_level(logging.ERROR, logger="users.adapter"):
        known = ask(client)
    unknown = ask(client, "nobody@example.com")
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert not Message.objects.exists()
    assert "cannot be sent: from_" in caplog.text


def test_asking_too_often_is_answered_429_for_known_and_unknown_alike(ann):
    for email in ("ann@example.com", "nobody@example.com"):
        client = Client(REMOTE_ADDR=f"10.0.0.{len(email)}")
        codes = [ask(client, email).status_code for _ in range(6)]
        assert codes == [302] * 5 + [429]


def test_a_mail_of_allauth_without_a_template_is_not_lost_silently(ann):
    with pytest.raises(ImproperlyConfigured, match="account/email/unknown"):
        AccountAdapter().send_mail("account/email/unknown", "ann@example.com", {"user": ann})


# ---------------------------------------------------------------- changing it, signed in


def change(client, old=PASSWORD, new=NEW, again=NEW):
    fields = {"oldpassword": old, "password1": new, "password2": again}
    return client.post("/account/password/change/", fields)


def test_changing_the_password_ends_the_other_sessions_and_keeps_this_one(ann):
    here, there = signed_in(ann), signed_in(ann)
    key = here.session.session_key
    assert change(here)["Location"] == reverse("users:account")
    assert here.get("/account/profile/").status_code == 200
    assert here.session.session_key != key
    assert there.get("/account/profile/").status_code == 302


def test_a_password_change_that_is_wrong_changes_nothing(ann):
    for fields, field in [
        ({"old": "wrong"}, "oldpassword"),
        ({"new": "short", "again": "short"}, "password1"),
        ({"again": "x"}, "password2"),
    ]:
        with case(fields, field):
            response = change(signed_in(ann), **fields)
            assert field in response.context["form"].errors
            ann.refresh_from_db()
            assert ann.check_password(PASSWORD)


def test_a_new_password_through_the_link_says_which_keys_still_work(client, ann):
    api_keys.make(ann, name="Web shop", scopes=["mails:send"], lifetime=timedelta(days=30))
    ask(client)
    assert "1 API key of yours still works." in choose(client, link()).text


def test_how_long_it_takes_does_not_tell_whether_there_is_an_account(client, ann, settings):
    settings.RESET_SECONDS = 0.3
    for email in ("ann@example.com", "nobody@example.com"):
        begin = time.perf_counter()
        ask(client, email)
        assert time.perf_counter() - begin > 0.29
