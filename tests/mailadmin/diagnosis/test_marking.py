"""Test messages of templates: nobody takes one for real, and few rights do not reach strangers."""

from email import message_from_bytes, policy

import pytest

from maillog.content.storage import unpack
from maillog.models import Message
from templates_app.content.content import Content, Texts, Variable
from tests.conftest import signed_in
from tests.factories import make_user
from tests.templates_app.makers import make_template

pytestmark = pytest.mark.django_db

PAGE = "/mail/test/"
LINK = Variable("reset_url", "url", sample="https://mail.example.com/reset/4-dg8k2p/", secret=True)
RESET = Content(
    {"en": Texts("Reset", '<body><a href="{{ reset_url }}">New password</a></body>', "{{ reset_url }}")}, "en", (LINK,)
)


@pytest.fixture
def reset(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", send_mode="instant")
    return make_template(key="reset", content=RESET)


def send(person, to: str, *, link: str = "https://evil.example/phish"):
    typed = {"template": "shop/reset", "sample": "", "language": "en", "values": f'{{"reset_url": "{link}"}}'}
    shown = {"shown_template": "shop/reset", "shown_sample": ""}
    return signed_in(person).post(PAGE, {"to": to, **typed, **shown})


def sent():
    return message_from_bytes(unpack(Message.objects.get().content.mime), policy=policy.default)


def test_a_test_of_a_template_says_in_subject_content_and_header_that_it_is_one(reset):
    send(make_user("ann@example.com", "mailadmin.send_test", name="Ann"), "ann@example.com")
    mail = sent()
    assert mail["Subject"] == "[Test] Reset"
    assert mail["X-Mailadmin-Test"] == "yes"
    for kind in ("plain", "html"):
        assert "This is a test message, sent by Ann." in mail.get_body((kind,)).get_content()


def test_a_secret_link_of_a_test_leads_nowhere_whatever_is_typed(reset):
    send(make_user("ann@example.com", "mailadmin.send_test"), "ann@example.com")
    for kind in ("plain", "html"):
        content = sent().get_body((kind,)).get_content()
        assert "evil.example" not in content
        assert "https://test.invalid/" in content


def test_who_may_only_send_tests_sends_templates_to_no_stranger(reset):
    response = send(make_user("ann@example.com", "mailadmin.send_test"), "boss@example.org")
    assert response.status_code == 422
    assert "you may send templates only to your own address, ann@example.com" in response.text
    assert not Message.objects.exists()


def test_allowed_recipients_get_tests_of_templates(reset, mail_settings):
    mail_settings(
        driver="silent", from_address="shop@example.com", send_mode="instant", allowed_recipients=("*@example.org",)
    )
    send(make_user("ann@example.com", "mailadmin.send_test"), "qa@example.org")
    assert Message.objects.get().to_text == "qa@example.org"


def test_who_may_send_mail_sends_tests_of_templates_to_anybody(reset):
    send(make_user("ann@example.com", "mailadmin.send_test", "mailadmin.send_mail"), "boss@example.org")
    assert Message.objects.get().to_text == "boss@example.org"
