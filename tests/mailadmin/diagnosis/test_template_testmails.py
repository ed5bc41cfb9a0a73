"""The test page with a template: the pickers, what is sent, and what is said to be wrong with what."""

import json
import re
from email import message_from_bytes, policy

import pytest
from django.test import Client
from django.urls import reverse

from maillog.content.storage import unpack
from maillog.models import Message
from templates_app.content.content import Content, Texts, Variable
from templates_app.library import publishing, samples
from templates_app.models import Document, Version
from templates_app.sandbox import client as sandbox
from tests.cases import rolled_back
from tests.conftest import signed_in
from tests.factories import make_user
from tests.templates_app.makers import make_template

pytestmark = pytest.mark.django_db

PAGE = "/mail/test/"


@pytest.fixture
def ann():
    return make_user("ann@example.com", "mailadmin.send_test", "mailadmin.send_mail", name="Ann")


@pytest.fixture
def client(ann):
    return signed_in(ann)


@pytest.fixture
def template(mail_settings):
    """shop/hello in English and German, with two samples; nothing is sent, only queued."""
    mail_settings(host="localhost", port=9, from_address="shop@example.com")
    document = make_template()
    samples.create_sample(document, name="Berta", values={"name": "Berta"})
    samples.create_sample(document, name="Cäsar", values={"name": "Cäsar"})
    return document


def chosen(template="shop/hello", sample="Berta", values='{"name": "Berta"}', language="de", **fields):
    """What the browser sends once the page shows the values of the sample."""
    shown = {"shown_template": template, "shown_sample": sample}
    picked = {"template": template, "sample": sample, "language": language, "values": values}
    return {"to": "eve@example.org", **picked, **shown, **fields}


def options(response, name: str) -> list[str]:
    select = re.search(rf'<select name="{name}".*?</select>', response.text, re.DOTALL)
    return re.findall(r'<option value="([^"]*)"', select[0]) if select else []


def shown_values(response):
    area = re.search(r'<textarea name="values".*?>\s*(.*?)</textarea>', response.text, re.DOTALL)
    return json.loads(area[1].replace("&quot;", '"')) if area else None


def problems(response):
    return response.context["failure"].title, " ".join(response.context["failure"].problems)


# ---------------------------------------------------------------- choosing


def test_the_plain_test_mail_is_the_default_and_uses_mail_test(client, template):
    page = client.get(PAGE)
    assert shown_values(page) is None
    assert page.context["form"]["template"].initial == ""
    client.post(PAGE, {"to": "eve@example.org"})
    mail = Message.objects.get()
    assert (mail.template.text, mail.template_version, mail.language) == ("mail/test", 1, "en")


def test_the_plain_test_mail_can_be_had_in_german(client, template):
    assert options(client.get(PAGE), "language") == ["en", "de"]
    client.post(PAGE, {"to": "eve@example.org", "language": "de"})
    assert Message.objects.get().language == "de"


def test_every_published_template_can_be_picked_and_no_part(client, template):
    make_template(key="begun", content=None)
    offered = options(client.get(PAGE), "template")
    assert {"", "shop/hello", "account/password_reset", "platform/quota_warning"} <= set(offered)
    assert "shop/begun" not in offered
    assert "mail/layout" not in offered


def test_picking_a_template_shows_its_languages_samples_and_values(client, template):
    page = client.get(PAGE, {"template": "shop/hello"})
    assert options(page, "language") == ["en", "de"]
    assert options(page, "sample") == ["Berta", "Cäsar"]
    assert shown_values(page) == {"name": "Berta"}
    page = client.get(PAGE, {"template": "shop/hello", "sample": "Cäsar", "language": "de"})
    assert shown_values(page) == {"name": "Cäsar"}
    assert page.context["form"]["language"].initial == "de"


def test_htmx_gets_only_what_depends_on_the_template(client, template):
    part = client.get(PAGE, {"template": "shop/hello"}, headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert part.text.count('id="test-template"') == 1
    assert shown_values(part) == {"name": "Berta"}


def test_choosing_without_javascript_sends_nothing_and_keeps_what_was_typed(client, template):
    page = client.post(PAGE, {"to": "eve@example.org", "template": "shop/hello", "choose": "1"})
    assert page.status_code == 200
    assert shown_values(page) == {"name": "Berta"}
    assert 'value="eve@example.org"' in page.text
    again = client.post(PAGE, chosen(values='{"name": "Typed"}', choose="1"))
    assert shown_values(again) == {"name": "Typed"}
    other = client.post(PAGE, chosen(values='{"name": "Typed"}', choose="1") | {"sample": "Cäsar"})
    assert shown_values(other) == {"name": "Cäsar"}
    assert not Message.objects.exists()


@pytest.mark.parametrize("changed", [{"template": "account/welcome"}, {"sample": "Cäsar"}, {"shown_template": ""}])
def test_values_that_nobody_has_seen_are_shown_before_they_are_sent(client, template, changed):
    page = client.post(PAGE, chosen() | changed)
    assert page.status_code == 422
    assert "Nothing has been sent yet." in page.text
    assert not Message.objects.exists()


def test_the_persons_own_language_is_proposed(template):
    person = make_user("dora@example.com", "mailadmin.send_test", "mailadmin.send_mail", mail_language="de")
    assert signed_in(person).get(PAGE, {"template": "shop/hello"}).context["form"]["language"].initial == "de"


def test_a_template_without_samples_is_tried_with_those_of_its_variables(client, mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")
    make_template()
    assert shown_values(client.get(PAGE, {"template": "shop/hello"})) == {"name": "Ann"}
    client.post(PAGE, chosen(sample="", values='{"name": "Ann"}'))
    assert Message.objects.get().subject == "[Test] Hallo Ann"


# ---------------------------------------------------------------- sending


def test_it_is_sent_in_the_language_with_the_values_that_were_typed(client, ann, template):
    answer = client.post(PAGE, chosen(values='{"name": "Zoë"}'))
    mail = Message.objects.get()
    assert answer["Location"] == f"{PAGE}{mail.pk}/"
    assert (mail.subject, mail.language, mail.template.text, mail.template_version) == (
        "[Test] Hallo Zoë",
        "de",
        "shop/hello",
        1,
    )
    assert mail.is_test
    assert mail.actor == ann
    parsed = message_from_bytes(unpack(mail.content.mime), policy=policy.default)
    assert "Schöner Tag" in parsed.get_body(("html",)).get_content()


def test_the_result_shows_the_rendered_subject_the_template_and_the_way_to_the_log(template):
    person = make_user("log@example.com", "mailadmin.send_test", "mailadmin.send_mail", "maillog.view_log")
    page = signed_in(person).post(PAGE, chosen(), follow=True)
    mail = Message.objects.get()
    assert "<dt>Subject</dt><dd>[Test] Hallo Berta</dd>" in page.text
    assert '<span class="mono">shop/hello</span>, version 1, German' in page.text
    assert f'href="{reverse("maillog:detail", args=[mail.pk])}"' in page.text


@pytest.mark.django_db(transaction=True)
def test_the_servers_words_are_told_on_the_page_of_the_result(mail_settings, start_smtp):
    server = start_smtp()
    fields = {**server.fields, "password": "wrong"}
    mail_settings(**fields, from_address="shop@example.com", send_mode="instant")
    make_template()
    person = make_user("ann@example.com", "mailadmin.send_test", "mailadmin.send_mail")
    page = signed_in(person).post(PAGE, chosen(sample="", values='{"name": "Ann"}'), follow=True)
    assert "535" in page.text
    assert "Hallo Ann" in page.text


def test_test_mails_from_templates_count_towards_the_limit(client, template):
    answers = [client.post(PAGE, chosen()) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [302] * 10 + [422]
    assert problems(answers[-1])[0] == "The message could not be queued."


# ---------------------------------------------------------------- what is wrong, and with what


def test_values_that_are_no_json_object_are_refused_at_their_field(client, template):
    for values in ["{", "[1]", '"x"', '{"name": NaN}', '{"name": "\\u0000"}', "[" * 5000, '{"name": "\\ud800"}']:
        with rolled_back(values):
            answer = client.post(PAGE, chosen(values=values))
            assert answer.status_code == 422
            assert answer.context["form"].errors["values"]
            assert 'aria-invalid="true"' in answer.text
            assert not Message.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ("", "The value name is missing."),
        ('{"nam": "Ann"}', "The value name is missing; given, but not known to the template: nam."),
        ('{"name": 3}', "The value name must be text, not a number."),
    ],
)
def test_values_that_do_not_fit_are_named_as_the_values_fault(client, template, values, words):
    answer = client.post(PAGE, chosen(values=values))
    assert answer.status_code == 422
    assert problems(answer) == ("Nothing was sent, because the values do not fit the template.", words)
    assert words in answer.context["form"].errors["values"]
    assert not Message.objects.exists()


def test_a_template_that_does_not_render_is_named_with_its_line(client, template):
    broken = Content(
        languages={"en": Texts(subject="Hello", html="<p>Hello</p>\n{{ entries[0].title.text }}")},
        variables=(Variable("entries", type="list", sample=[{"title": {"text": "One"}}]),),
    )
    make_template(key="list", content=broken)
    answer = client.post(PAGE, chosen("shop/list", sample="", values='{"entries": []}', language="en"))
    title, words = problems(answer)
    assert answer.status_code == 422
    assert title == "Nothing was sent, because the template does not render."
    assert "shop/list, html, line 2" in words
    assert "Open the template" not in answer.text, "that is for editors"
    assert not Message.objects.exists()


def test_an_editor_gets_the_way_to_the_template_that_does_not_render(template):
    version = template.published
    content = Content(languages={"en": Texts(subject="Hello", html="{{ nowhere }}")})
    Version.objects.filter(pk=version.pk).update(content=content.as_json())
    person = make_user("ed@example.com", "mailadmin.send_test", "mailadmin.send_mail", "templates_app.edit_templates")
    answer = signed_in(person).post(PAGE, chosen(values="{}", language="en"))
    assert problems(answer)[0] == "Nothing was sent, because the template does not render."
    assert 'href="/templates/shop/template/hello/edit/"' in answer.text


def test_a_template_that_takes_for_ever_with_these_values_is_stopped(client, template):
    heavy = Content(
        languages={
            "en": Texts(
                subject="Hello",
                html="{% for a in many %}{% for b in many %}{% for c in many %}{% set d = a * b * c %}{% endfor %}"
                "{% endfor %}{% endfor %}",
            )
        },
        variables=(Variable("many", type="list", sample=[1]),),
    )
    document = make_template(key="heavy", content=None)
    Document.objects.filter(pk=document.pk).update(
        published=Version.objects.create(document=document, number=1, content=heavy.as_json(), digest=heavy.digest)
    )
    values = json.dumps({"many": [1] * 5000})
    answer = client.post(PAGE, chosen("shop/heavy", sample="", values=values, language="en"))
    assert problems(answer) == (
        "Nothing was sent, because the template does not render.",
        f"shop/heavy, html: {sandbox.SLOW}",
    )


def test_what_cannot_be_queued_is_neither_the_values_nor_the_templates_fault(client, template, mail_settings):
    mail_settings(driver="smtp")
    answer = client.post(PAGE, chosen())
    title, words = problems(answer)
    assert answer.status_code == 422
    assert title == "The message could not be queued."
    assert "there is no From address yet" in words


def test_a_recipient_that_sending_refuses_is_told_at_the_field(client, template):
    answer = client.post(PAGE, chosen(to="no address"))
    assert "to" in answer.context["form"].errors


def test_a_template_that_is_not_there_is_said_and_nothing_is_sent(client, template):
    for key in ["shop/none", "nonsense", "a/b/c", "\x00/\x00", "../..", "x" * 10_000, "mail/layout"]:
        with rolled_back(key):
            answer = client.post(PAGE, chosen(template=key))
            assert answer.status_code == 422
            assert "template" in answer.context["form"].errors
            page = client.get(PAGE, {"template": key})
            assert page.status_code == 200
            assert "There is no published template with this key." in page.text
            assert not Message.objects.exists()


@pytest.mark.both_databases
def test_hostile_fields_send_nothing_and_break_nothing(client, template):
    for value in ["\x00", "xx", "<script>", "\u2028\u202e", "x" * 200_000]:
        for field in ["language", "sample", "template", "connection", "values", "shown_template"]:
            with rolled_back(value, field):
                answer = client.post(PAGE, chosen() | {field: value})
                assert answer.status_code == 422
                assert "<script>" not in answer.text.split("<main")[1]
                assert not Message.objects.exists()


def test_a_template_deleted_meanwhile_is_said(client, template):
    Document.objects.filter(pk=template.pk).update(published=None)
    answer = client.post(PAGE, chosen())
    assert answer.status_code == 422
    assert "template" in answer.context["form"].errors


def test_only_who_may_send_tests_gets_here():
    assert signed_in(make_user("bob@example.com")).get(PAGE, {"template": "mail/test"}).status_code == 403
    assert Client().get(PAGE).status_code == 302


def test_the_newest_version_is_what_is_sent_and_recorded(client, ann, template):
    newer = Content(
        languages={"en": Texts(subject="Hi {{ name }}", html="<p>Hi</p>")},
        variables=(Variable("name", sample="Ann"),),
    )
    publishing.publish(template, ann, newer, "", template.published)
    client.post(PAGE, chosen(language="en"))
    mail = Message.objects.get()
    assert (mail.subject, mail.template_version) == ("[Test] Hi Berta", 2)
