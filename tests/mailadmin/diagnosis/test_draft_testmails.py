"""The draft of a template, sent to whoever edits it."""

import pytest
from django.test import Client

from maillog.content.storage import unpack
from maillog.models import Message
from templates_app.library import publishing
from tests.conftest import signed_in
from tests.factories import make_user
from tests.templates_app.editor.editing import path, typed, values
from tests.templates_app.makers import make_template

pytestmark = pytest.mark.django_db

SEND = "/mail/test/draft/shop/hello/"
NEEDS = ("templates_app.edit_templates", "mailadmin.send_test")


@pytest.fixture
def ann():
    return make_user("ann@example.com", *NEEDS, "mailadmin.send_mail", name="Ann")


@pytest.fixture
def client(ann):
    return signed_in(ann)


@pytest.fixture
def template(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", send_mode="instant")
    return make_template()


def test_the_draft_is_sent_as_it_was_last_saved_and_the_result_is_shown(client, ann, template):
    tried = values(template, '{"name": "Ann"}', '{"name": "Ann"}', name="Berta")
    client.post(path(template, "draft"), typed(template, ann, html="<p>Dear {{ name }}</p>") | tried)
    response = client.post(SEND, {"to": "ann@example.com", "language": "en", "sample": ""})
    mail = Message.objects.get()
    assert response["Location"] == f"/mail/test/{mail.pk}/"
    assert mail.is_test
    assert mail.subject == "[Test] Hello Berta"
    assert "Dear Berta" in unpack(mail.content.mime).decode()
    assert client.get(response["Location"]).status_code == 200


def test_without_a_draft_the_published_text_is_sent_in_the_language_that_is_shown(client, template):
    client.post(SEND, {"to": "eve@example.org", "language": "de"})
    mail = Message.objects.get()
    assert mail.subject == "[Test] Hallo Ann"
    assert mail.recipients.get().search_address == "eve@example.org"


def test_nothing_is_sent_while_the_draft_does_not_render(client, ann, template):
    client.post(path(template, "draft"), typed(template, ann, html="{{ nobody }}"))
    response = client.post(SEND, {"to": "ann@example.com", "language": "en"}, follow=True)
    assert "Nothing was sent: the template does not render." in response.content.decode()
    assert not Message.objects.exists()


@pytest.mark.parametrize("to", ["", "ann", "Ann <ann@example.com>", "a@example.com, b@example.com", "a@b\r\nBcc: c@d"])
def test_a_wrong_address_is_refused_with_the_reason(client, template, to):
    response = client.post(SEND, {"to": to, "language": "en"}, follow=True)
    assert response.redirect_chain[0][0].startswith("/templates/shop/template/hello/edit/")
    assert "Nothing was sent:" in response.content.decode()
    assert not Message.objects.exists()


def test_somebody_elses_draft_is_not_sent(client, template):
    bob = make_user("bob@example.com", *NEEDS)
    publishing.save_draft(template, bob, template.published.read(), 0)
    signed_in(bob).post(path(template, "draft"), typed(template, bob, subject="Secret"))
    client.post(SEND, {"to": "ann@example.com", "language": "en"})
    assert Message.objects.get().subject == "[Test] Hello Ann"


def test_no_more_than_a_few_a_minute_are_sent(client, template):
    for _ in range(10):
        client.post(SEND, {"to": "ann@example.com", "language": "en"})
    response = client.post(SEND, {"to": "ann@example.com", "language": "en"}, follow=True)
    assert "in the last minute" in response.content.decode()
    assert Message.objects.count() == 10


@pytest.mark.parametrize("missing", NEEDS)
def test_both_permissions_are_needed(template, missing):
    user = make_user("eve@example.com", *(set(NEEDS) - {missing}))
    assert signed_in(user).post(SEND, {"to": "eve@example.com"}).status_code == 403


def test_only_a_post_with_the_forms_token_sends(client, ann, template):
    assert client.get(SEND).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["sessionid"] = signed_in(ann).cookies["sessionid"].value
    assert strict.post(SEND, {"to": "ann@example.com"}).status_code == 403


def test_a_template_that_is_not_there_is_not_found(client, template):
    for key in ("shop/nothing", "nothing/hello"):
        assert client.post(f"/mail/test/draft/{key}/", {"to": "ann@example.com"}).status_code == 404
