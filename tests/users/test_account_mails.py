"""Mails about the account: which there are, in what language, and what they say."""

import logging
import re
from email import message_from_bytes, policy
from pathlib import Path

import allauth
import pytest
import time_machine
from allauth.account import app_settings as account_settings
from allauth.mfa import app_settings as mfa_settings
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.test import Client

from maillog.content.storage import unpack
from maillog.models import Message
from tests.cases import case, rolled_back
from tests.conftest import signed_in
from tests.factories import PASSWORD, make_user
from tests.users.test_second_factor import ACTIVATE, CODES, DEACTIVATE, code_of, confirm, turn_on
from users.account_mails import EVENTS, TEMPLATES
from users.adapter import AccountAdapter
from users.models import User

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
NEW = "tremendous-gate-9"

# allauth's mails that cannot be asked for here, and what makes sure of it.
CLOSED = {
    "account/email/account_already_exists": lambda: not AccountAdapter().is_open_for_signup(HttpRequest()),
    "account/email/unknown_account": lambda: not account_settings.EMAIL_UNKNOWN_ACCOUNTS,
    "account/email/email_confirmation": lambda: account_settings.EMAIL_VERIFICATION == "none",
    "account/email/email_confirmation_signup": lambda: account_settings.EMAIL_VERIFICATION == "none",
    "account/email/email_confirm": lambda: Client().get("/account/confirm-email/").status_code in {302, 404},
    "account/email/email_deleted": lambda: (
        signed_in(make_user("x@example.com")).post("/account/email/")["Location"] == "/account/profile/"
    ),
    "account/email/login_code": lambda: not account_settings.LOGIN_BY_CODE_ENABLED,
    "account/email/password_reset_code": lambda: not account_settings.PASSWORD_RESET_BY_CODE_ENABLED,
    "mfa/email/webauthn_added": lambda: "webauthn" not in mfa_settings.SUPPORTED_TYPES,
    "mfa/email/webauthn_removed": lambda: "webauthn" not in mfa_settings.SUPPORTED_TYPES,
}


@pytest.fixture(autouse=True)
def still_clock():
    with time_machine.travel("2026-01-31T12:00:00Z", tick=False):
        yield


@pytest.fixture
def ann(mail_settings):
    mail_settings(driver="silent", from_address="mailadmin@example.com")
    return make_user(name="Ann Lee", mail_language="de", time_zone="Europe/Berlin")


@pytest.fixture
def client(ann):
    client = signed_in(ann)
    client.defaults["HTTP_USER_AGENT"] = FIREFOX
    return client


def text_of(mail: Message, part: str = "plain") -> str:
    found = message_from_bytes(unpack(mail.content.mime), policy=policy.default).get_body((part,))
    assert found
    return str(found.get_content())


def the_mail() -> tuple[Message, str]:
    mail = Message.objects.select_related("template").get()
    return mail, text_of(mail)


def change(client):
    return client.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})


def test_every_mail_of_allauth_has_a_template_or_cannot_be_asked_for(mail_settings):
    root = Path(allauth.__file__).parent / "templates"
    known = {
        str(path.relative_to(root)).removesuffix("_subject.txt")
        for app in django_settings.INSTALLED_APPS
        if app.startswith("allauth.")
        for path in root.glob(f"{app.removeprefix('allauth.')}/email/*_subject.txt")
    }
    assert known - CLOSED.keys() == TEMPLATES.keys()
    for mail, is_closed in CLOSED.items():
        assert is_closed(), mail


def test_a_changed_password_is_told_in_the_persons_language_with_when_and_from_where(client, ann):
    assert change(client).status_code == 302
    mail, text = the_mail()
    assert (mail.template.text, mail.template_version, mail.language) == ("account/password_changed", 1, "de")
    assert mail.subject == "Ihr Passwort wurde geändert"
    assert mail.recipients.get().address == "ann@example.com"
    assert text.startswith("Guten Tag Ann Lee,")
    assert "13:00" in text, "in the person's time zone"
    assert "Firefox, Windows" in text
    assert "127.0.0.1" in text
    assert f"{django_settings.BASE_URL}/account/password/reset/" in text
    assert mail.mode == "background"
    assert not mail.is_sensitive


def test_a_password_that_was_reset_is_told_too(ann):
    client = Client(headers={"user-agent": FIREFOX})
    client.post("/account/password/reset/", {"email": ann.email})
    asked = Message.objects.get()
    link = re.search(r"/account/password/reset/key/\S+", text_of(asked))
    assert link
    page = client.get(link[0], follow=True)
    client.post(page.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    told = Message.objects.exclude(pk=asked.pk).select_related("template").get()
    assert told.template.text == "account/password_changed"
    assert "13:00" in text_of(told)


def test_turning_the_second_factor_on_and_off_and_new_codes_are_told(client, ann, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        turn_on(client)
    told = Message.objects.select_related("template").order_by("pk")
    assert {mail.template.text for mail in told} == {"platform/security_alert"}
    texts = [" ".join(text_of(mail).split()) for mail in told]
    assert any(EVENTS["mfa/email/totp_activated"]["de"] in text for text in texts)
    Message.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(CODES + "generate/")
    assert EVENTS["mfa/email/recovery_codes_generated"]["de"] in " ".join(the_mail()[1].split())
    Message.objects.all().delete()
    client.post(DEACTIVATE)
    mail, text = the_mail()
    assert EVENTS["mfa/email/totp_deactivated"]["de"] in " ".join(text.split())
    assert "ann@example.com" in text
    assert mail.subject.startswith("Waren Sie das?")


def test_a_wrong_code_or_password_tells_nothing(client, ann):
    confirm(client)
    secret = client.get(ACTIVATE).context["form"].secret
    client.post(ACTIVATE, {"code": "000000" if code_of(secret) != "000000" else "111111"})
    client.post("/account/password/change/", {"oldpassword": "wrong", "password1": NEW, "password2": NEW})
    assert not Message.objects.exists()


def notify(mail: str, user: User, rf, **meta):
    request = rf.get("/", **meta)
    adapter = AccountAdapter(request)
    adapter.send_notification_mail(
        mail, user, {"from_email": "old@example.com", "to_email": "new@example.com"}, "old@example.com"
    )


def test_a_changed_address_is_told_at_the_old_one(ann, rf):
    notify("account/email/email_changed", ann, rf)
    mail, text = the_mail()
    assert mail.template.text == "account/email_changed"
    assert mail.recipients.get().address == "old@example.com"
    assert "new@example.com" in text


def test_every_notice_renders_in_every_language_for_every_name(mail_settings, rf):
    mail_settings(driver="silent", from_address="mailadmin@example.com")
    for name in ["", "Ann Lee", "<b>Ann</b> & {{ 7*7 }}"]:
        for language in ["en", "de", "fr", ""]:
            for mail in sorted(set(TEMPLATES) - {"account/email/password_reset_key"}):
                with rolled_back(name, language, mail):
                    notify(mail, make_user(name=name, language=language), rf)
                    row, text = the_mail()
                    assert row.template.text == TEMPLATES[mail]
                    assert row.language == ("de" if language == "de" else "en")
                    assert "49" not in text.replace("127.0.0.1", "")
                    assert "<b>Ann" not in text_of(row, "html")


def test_a_visitor_writes_no_words_into_the_mail(ann, rf):
    for agent in ["", "curl/8", "Go to https://evil.example/ now", "x" * 5000, "\x01"]:
        with rolled_back(agent):
            notify("account/email/password_changed", ann, rf, HTTP_USER_AGENT=agent)
            _, text = the_mail()
            assert "evil" not in text
            assert "Gerät:" not in text


def test_an_unknown_place_is_left_out(ann, rf):
    notify("account/email/password_changed", ann, rf, REMOTE_ADDR="")
    assert "IP-Adresse" not in the_mail()[1]


def test_a_notice_that_cannot_be_queued_does_not_undo_the_change(client, ann, mail_settings, caplog):
    mail_settings(driver="smtp")  # no From address
    with caplog.at_level(logging.ERROR, logger="users.adapter"):
        assert change(client).status_code == 302
    ann.refresh_from_db()
    assert ann.check_password(NEW)
    assert "account/password_changed" in caplog.text
    assert "cannot be sent" in caplog.text


def test_a_notice_without_a_template_is_not_lost_silently(ann, rf):
    with pytest.raises(ImproperlyConfigured, match="account/email/unknown"):
        AccountAdapter(rf.get("/")).send_notification_mail("account/email/unknown", ann)


# ---------------------------------------------------------------- choosing the language


def test_somebody_chooses_the_language_of_mails_on_the_account_page(client, ann):
    page = client.get("/account/profile/").text
    assert "Language of email" in page
    assert 'value="de" selected' in page
    fields = {"name": "Ann", "language": "en", "time_zone": "UTC"}
    client.post("/account/profile/", fields | {"mail_language": ""})
    ann.refresh_from_db()
    assert (ann.mail_language, ann.language_of_mails) == ("", "en")
    client.post("/account/profile/", fields | {"mail_language": "de"})
    ann.refresh_from_db()
    assert ann.language_of_mails == "de"


def test_a_language_without_mails_is_refused_at_the_field(client, ann):
    for language in ["xx", "fr", "\x00", "x" * 500]:
        with case(language):
            fields = {"name": "Ann", "language": "en", "time_zone": "UTC", "mail_language": language}
            answer = client.post("/account/profile/", fields)
            assert answer.status_code == 422
            assert list(answer.context["form"].errors) == ["mail_language"]


def test_every_language_that_can_be_chosen_has_its_built_in_mails_and_events():
    languages = {code for code, _name in django_settings.MAIL_LANGUAGES}
    builtin = Path(django_settings.BASE_DIR) / "templates_app" / "builtin"
    for key in set(TEMPLATES.values()):
        project, _slash, name = key.partition("/")
        found = {path.stem for path in (builtin / project / "templates" / name).glob("*.html")}
        assert languages <= found, key
    assert all(languages <= words.keys() for words in EVENTS.values())
