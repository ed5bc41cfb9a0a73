"""What the log says of the template that a mail was made from."""

from typing import Any

import pytest

from mailadmin.api import send_many, send_template, template_mail
from maillog.content import template_link
from maillog.models import Message
from templates_app.content.content import Content, Texts
from templates_app.library import catalogue, publishing
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import queued
from tests.templates_app.makers import make_template

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sender(mail_settings):
    return mail_settings(driver="silent", from_address="shop@example.com")


@pytest.fixture
def reader():
    """Somebody who may see the log, and edit templates."""
    return signed_in(make_user("reader@example.com", "maillog.view_log", "templates_app.edit_templates"))


def hello(language="de"):
    return send_template("shop/hello", to=["ann@example.com"], values={"name": "Ann"}, language=language)


def test_template_version_and_language_are_recorded_and_shown(reader):
    make_template()
    number = hello()
    mail = Message.objects.get(pk=number)
    assert (mail.template.text, mail.template_version, mail.language) == ("shop/hello", 1, "de")
    page = reader.get(f"/log/{number}/").text
    address = "/templates/shop/template/hello/versions/1/"
    assert f'<a href="{address}"><span class="mono">shop/hello</span>, version 1, German</a>' in page
    listed = reader.get("/log/").text
    assert '<span class="muted small">version 1, German</span>' in listed


def test_a_mail_keeps_its_version_when_a_newer_one_is_published(reader):
    document = make_template()
    first = hello()
    newer = Content(languages={"en": Texts(subject="Hi", html="<p>Hi</p>")})
    publishing.publish(document, None, newer, "", document.published)
    second = hello("en")
    assert "/versions/1/" in reader.get(f"/log/{first}/").text
    page = reader.get(f"/log/{second}/").text
    assert "/versions/2/" in page
    assert "version 2, English" in page
    assert reader.get("/templates/shop/template/hello/versions/2/").status_code == 200


def test_a_deleted_template_leaves_the_log_readable_without_a_link(reader):
    document = make_template()
    number = hello()
    catalogue.delete_document(document)
    page = reader.get(f"/log/{number}/").text
    assert '<span class="mono">shop/hello</span>, version 1, German' in page
    assert "/templates/shop/" not in page
    assert "version 1, German" in reader.get("/log/").text


def test_the_link_is_for_people_who_may_open_it():
    make_template()
    number = hello()
    page = signed_in(make_user("eve@example.com", "maillog.view_log")).get(f"/log/{number}/").text
    assert "version 1, German" in page
    assert "/templates/shop/" not in page


def test_what_is_not_known_is_left_out(reader):
    table: list[tuple[dict[str, Any], str]] = [
        ({"template": "old/one"}, ""),
        ({"template": "old/one", "template_version": 0}, "built-in"),
        ({"template": "old/one", "language": "pt-BR"}, "Portuguese (Brazil)"),
        ({"template": "old/one", "language": "de-AT", "template_version": 12}, "version 12, German (Austria)"),
        ({"template": "old/one", "language": "../..", "template_version": 12}, "version 12, ../.."),
        ({"template": "old/one", "language": "qqq"}, "qqq"),
        ({"template": "old/one", "template_version": 40_000}, ""),
        ({"template": "old/one", "template_version": -1}, ""),
        ({"template_version": 3}, ""),
    ]
    for fields, words in table:
        with case(fields):
            mail = Message.objects.get(pk=queued(**fields))
            assert template_link.version_label(mail) == words
            assert reader.get(f"/log/{mail.pk}/").status_code == 200
            assert template_link.version_url(mail) == ""


def test_a_template_key_of_any_kind_gives_no_link_and_no_error(reader):
    for key in ["nonsense", "a/b/c", "../..", "A b/c", "shop/none", ""]:
        with case(key):
            number = queued(template=key, template_version=1)
            assert reader.get(f"/log/{number}/").status_code == 200
            assert template_link.version_url(Message.objects.get(pk=number)) == ""


def test_many_mails_from_templates_record_theirs_each(django_assert_max_num_queries):
    make_template()
    mails = [template_mail("shop/hello", to=["ann@example.com"], values={"name": f"{n}"}) for n in range(300)]
    with django_assert_max_num_queries(40):
        numbers = send_many(mails)
    rows = Message.objects.filter(pk__in=numbers)
    assert set(rows.values_list("template__text", "template_version")) == {("shop/hello", 1)}
    assert rows.get(pk=numbers[7]).subject == "Hello 7"
