"""`mail_test`, `mail_config` and `mail_log`: what they print and how they exit."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mailadmin.api import Mail, send
from maillog.models import Message, Status
from templates_app.content.content import Content, Texts
from templates_app.library import samples
from tests.cases import case
from tests.templates_app.makers import make_template

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "canary-7c0ffee-password"


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def relay(start_smtp, mail_settings):
    def start(password=PASSWORD, **options):
        server = start_smtp(password=PASSWORD, **options)
        mail_settings(**{**server.fields, "password": password}, from_address="shop@example.com", timeout=30)
        return server

    return start


def test_mail_test_sends_at_once_and_prints_the_servers_words(relay):
    server = relay()
    printed = run("mail_test", "ann@example.com")
    assert "Accepted by localhost" in printed
    assert server.mails[0].recipients == ("ann@example.com",)


def test_mail_test_exits_1_with_the_reason_when_the_server_refuses(relay):
    relay(password="canary-wrong")
    with pytest.raises(CommandError, match="535") as caught:
        run("mail_test", "ann@example.com")
    assert caught.value.returncode == 1
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("arguments", [("not an address",), ("ann@example.com", "--connection", "nowhere")])
def test_mail_test_exits_2_when_used_wrongly(relay, arguments):
    relay()
    with pytest.raises(CommandError) as caught:
        run("mail_test", *arguments)
    assert caught.value.returncode == 2
    assert not Message.objects.exists()


def test_mail_test_without_a_connection_says_that_the_mail_is_held(mail_settings):
    mail_settings(from_address="shop@example.com")
    with pytest.raises(CommandError, match=r"(?i)held|no connection"):
        run("mail_test", "ann@example.com")


def test_mail_test_check_signs_in_and_sends_nothing(relay):
    server = relay()
    assert "environment" in run("mail_test", "ann@example.com", "--check")
    assert server.mails == []
    assert not Message.objects.exists()


def test_mail_test_check_names_a_refused_sign_in(relay):
    relay(password="wrong")
    with pytest.raises(CommandError, match="535"):
        run("mail_test", "ann@example.com", "--check")


def test_mail_config_shows_values_sources_and_no_password(relay):
    relay()
    printed = run("mail_config")
    assert "shop@example.com" in printed
    assert "environment (MAIL_FROM_ADDRESS)" in printed
    assert PASSWORD not in printed
    assert PASSWORD not in run("mail_config", "--json")


def test_mail_config_check_exits_1_while_mail_cannot_leave(relay):
    with pytest.raises(CommandError, match="no connection"):
        run("mail_config", "--check")
    relay()
    assert "Messages can leave." in run("mail_config", "--check")


def test_mail_log_lists_filters_and_limits(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", send_mode="instant")
    for number in range(5):
        send(Mail(to=[f"p{number}@example.com"], subject=f"Invoice {number}", text="x"))
    assert run("mail_log").count("Invoice") == 5
    assert run("mail_log", "--limit", "2").count("Invoice") == 2
    assert run("mail_log", "p3@").count("Invoice") == 1
    assert run("mail_log", "--status", "failed") == ""
    rows = [json.loads(line) for line in run("mail_log", "--json").splitlines()]
    assert [row["subject"] for row in rows] == [f"Invoice {number}" for number in (4, 3, 2, 1, 0)]
    assert {row["status"] for row in rows} == {Status.SILENCED.value}


def test_mail_log_gives_all_that_a_query_finds_as_csv(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", send_mode="instant")
    for number in range(5):
        send(Mail(to=[f"p{number}@example.com"], subject=f"Invoice {number}", text="x"))
    heading, *lines = run("mail_log", "--csv", "--", "invoice", "-to:p3@", "status:silenced").splitlines()
    assert heading.startswith("\ufeffid,created_at")
    assert [line.split(",")[5] for line in lines] == [f"p{number}@example.com" for number in (4, 2, 1, 0)]


def test_mail_log_exits_2_when_used_wrongly():
    for arguments in [("--limit", "0"), ("--limit", "999999"), ("a b c d e f g h i j k l m",), ("statsu:failed",)]:
        with case(arguments):
            with pytest.raises(CommandError) as caught:
                run("mail_log", *arguments)
            assert caught.value.returncode == 2


# ---------------------------------------------------------------- with a template


def test_mail_test_sends_a_template_in_german_with_a_sample(relay):
    server = relay()
    arguments = ("--template", "account/welcome", "--language", "de", "--sample", "With help")
    printed = run("mail_test", "ann@example.com", *arguments, "--json")
    facts = json.loads(printed)
    row = Message.objects.get()
    assert (facts["template"], facts["version"], facts["language"]) == ("account/welcome", 1, "de")
    assert facts["subject"] == row.subject
    assert b"Ann Example" in server.mails[0].content


def test_mail_test_takes_the_first_sample_and_the_default_language(relay):
    relay()
    run("mail_test", "ann@example.com", "--template", "account/welcome")
    assert Message.objects.get().language == "en"


def test_mail_test_sends_the_plain_test_mail_in_german(relay):
    relay()
    run("mail_test", "ann@example.com", "--language", "de")
    row = Message.objects.get()
    assert (row.template.text, row.language) == ("mail/test", "de")


def test_mail_test_takes_a_region_that_has_its_language(relay):
    relay()
    run("mail_test", "ann@example.com", "--template", "account/welcome", "--language", "de-AT")
    assert Message.objects.get().language == "de"


def test_mail_test_exits_2_for_a_template_language_or_sample_that_is_not_there(relay):
    relay()
    for arguments, words in [
        (("--template", "account/nowhere"), "--template: there is no published template 'account/nowhere'"),
        (("--template", "mail/layout"), "--template: there is no"),
        (
            ("--template", "account/welcome", "--language", "fr"),
            "--language: account/welcome has no 'fr'; it has: en, de",
        ),
        (("--language", "tlh"), "--language: mail/test has no 'tlh'"),
        (("--template", "account/welcome", "--sample", "None"), "--sample: account/welcome has no 'None'; it has: "),
        (("--sample", "By a person"), "--sample requires --template"),
    ]:
        with case(arguments):
            with pytest.raises(CommandError) as caught:
                run("mail_test", "ann@example.com", *arguments)
            assert caught.value.returncode == 2
            assert words in str(caught.value)
            assert not Message.objects.exists()


def test_mail_test_exits_1_and_says_that_the_values_do_not_fit(relay):
    relay()
    samples.create_sample(make_template(), name="Empty", values={})
    with pytest.raises(CommandError, match=r"The values are not valid: .*The value name is missing") as caught:
        run("mail_test", "ann@example.com", "--template", "shop/hello", "--sample", "Empty")
    assert caught.value.returncode == 1
    assert not Message.objects.exists()


def test_mail_test_exits_1_and_says_that_the_template_does_not_render(relay):
    relay()
    document = make_template()
    broken = Content(languages={"en": Texts(subject="Hello", html="<p>{{ nowhere }}</p>")})
    document.versions.update(content=broken.as_json())
    with pytest.raises(CommandError, match=r"The template does not render: shop/hello, html, line 1") as caught:
        run("mail_test", "ann@example.com", "--template", "shop/hello")
    assert caught.value.returncode == 1
