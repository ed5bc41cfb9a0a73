"""The mail pages: settings, test mail, events, overview."""

import pytest
from django.conf import settings
from django.urls import reverse

from mailadmin.configuration import effective
from mailadmin.models import SettingsRevision
from maillog.models import AuditEvent, Message, Status
from maillog.retention import deletion, pruning
from tests.cases import case, rolled_back
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PAGES = ["overview", "mailadmin:settings", "mailadmin:test", "mailadmin:events"]
HARMLESS_NAMES = ["%00", "{{ 7*7 }}", "<script>", "ａ＠ｂ"]
HOSTILE = ["\x00", "a\x00b", "a\r\nBcc: eve@example.com", "x" * 100_000, "a\u2028b", *HARMLESS_NAMES]
FIELDS = ["from_name", "from_address", "reply_to", "driver", "mode", "primary_connection", "revision"]


def settings_form(**fields):
    return {
        "driver": "smtp", "mode": "background", "from_name": "", "from_address": "", "reply_to": "",
        "primary_connection": "", "revision": "", **fields,
    }  # fmt: skip


def test_the_anonymous_visitor_is_sent_to_sign_in(client, admin):
    for page in PAGES:
        with case(page):
            answer = client.get(reverse(page))
            assert answer.status_code == 302
            assert "/account/login/" in answer.url


@pytest.mark.parametrize("page", PAGES[1:])
def test_a_colleague_without_permissions_is_refused(colleague_client, page):
    assert colleague_client.get(reverse(page)).status_code == 403
    assert colleague_client.post(reverse(page)).status_code in {403, 405}


def test_the_overview_shows_a_colleague_no_links_to_what_is_closed(colleague_client):
    body = colleague_client.get(reverse("overview")).content.decode()
    assert reverse("mailadmin:settings") not in body
    assert "not configured" in body


def test_the_overview_names_what_is_missing_first(admin_client):
    body = admin_client.get(reverse("overview")).content.decode()
    assert "Add a connection" in body
    assert 'data-state="now"' in body


def test_the_banner_is_on_every_page_until_mail_is_configured(admin_client, mail_settings):
    pages = [*PAGES, "maillog:list", "secrets_app:list", "users:account"]
    for page in pages:
        assert "Mail is not configured" in admin_client.get(reverse(page)).content.decode(), page
    mail_settings(host="mail.example.com", from_address="shop@example.com")
    for page in pages:
        assert "Mail is not configured" not in admin_client.get(reverse(page)).content.decode(), page


def test_settings_are_saved_as_a_revision(admin_client, admin):
    form = settings_form(driver="silent", from_name="Shop", from_address="shop@example.com", mode="instant")
    answer = admin_client.post(reverse("mailadmin:settings"), form, follow=True)
    assert "Saved as revision" in answer.content.decode()
    current = effective.current()
    assert (current.driver.value, current.mode.value, current.from_name.value) == ("silent", "instant", "Shop")
    assert SettingsRevision.objects.get().author == admin


def test_choosing_what_applies_anyway_sets_nothing(admin_client):
    admin_client.post(reverse("mailadmin:settings"), settings_form(from_name="Shop"))
    assert effective.current().driver.source == "default"


@pytest.mark.both_databases
def test_hostile_settings_are_refused_at_the_field_and_store_nothing(admin_client):
    for value in HOSTILE:
        for field in FIELDS:
            with rolled_back(value, field):
                answer = admin_client.post(reverse("mailadmin:settings"), settings_form(**{field: value}))
                harmless = field == "from_name" and value in HARMLESS_NAMES
                assert answer.status_code == (302 if harmless else 422)
                assert SettingsRevision.objects.exists() == harmless
                if harmless:
                    page = admin_client.get(reverse("mailadmin:settings")).content.decode()
                    assert "<script>" not in page


def test_a_locked_driver_cannot_be_changed_by_posting(admin_client, mail_settings):
    mail_settings(driver="log")
    admin_client.post(reverse("mailadmin:settings"), settings_form(driver="smtp", from_name="Shop"))
    assert effective.current().driver.value == "log"
    body = admin_client.get(reverse("mailadmin:settings")).content.decode()
    assert "MAIL_DRIVER is set in the environment" in body


def test_the_second_editor_is_told_and_keeps_what_was_typed(admin_client):
    admin_client.post(reverse("mailadmin:settings"), settings_form(from_name="First"))
    answer = admin_client.post(reverse("mailadmin:settings"), settings_form(from_name="Second"))
    assert answer.status_code == 422
    body = answer.content.decode()
    assert "Someone else saved" in body
    assert 'value="Second"' in body
    assert effective.current().from_name.value == "First"


def test_the_test_page_proposes_the_persons_own_address(admin_client, admin):
    assert f'value="{admin.email}"' in admin_client.get(reverse("mailadmin:test")).content.decode()


def test_a_get_sends_nothing(admin_client):
    admin_client.get(reverse("mailadmin:test"), {"to": "ann@example.com"})
    assert not Message.objects.exists()


@pytest.mark.both_databases
def test_a_hostile_recipient_is_refused_at_the_field(admin_client, mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")
    for value in [*HOSTILE, "", "ann@example.com, bob@example.com", "Ann <ann@example.com>"]:
        with rolled_back(value):
            answer = admin_client.post(reverse("mailadmin:test"), {"to": value})
            assert answer.status_code == 422
            assert answer.context["form"].errors["to"]
            assert not Message.objects.exists()


def test_a_missing_from_address_is_said_and_nothing_is_sent(admin_client, mail_settings):
    mail_settings(driver="silent")
    answer = admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"})
    assert "From address" in answer.content.decode()
    assert not Message.objects.exists()


def test_a_queued_test_mail_is_called_queued(admin_client, mail_settings, jobs):
    mail_settings(host="localhost", port=9, from_address="shop@example.com")
    answer = admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"}, follow=True)
    body = answer.content.decode()
    assert "Queued" in body
    assert "hx-get" in body
    assert "Accepted" not in body
    assert reverse("maillog:detail", args=[Message.objects.get().pk]) in body


@pytest.mark.django_db(transaction=True)
def test_an_instant_test_mail_shows_the_servers_words(admin_client, mail_settings, start_smtp):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com", send_mode="instant")
    answer = admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"}, follow=True)
    assert Message.objects.get().status == Status.SENT
    body = answer.content.decode()
    assert "Accepted by localhost" in body
    assert "hx-get" not in body


@pytest.mark.django_db(transaction=True)
def test_a_wrong_password_is_explained_on_the_page_and_shown_nowhere(admin_client, mail_settings, start_smtp):
    server = start_smtp()
    fields = {**server.fields, "password": "canary-7c0ffee"}
    mail_settings(**fields, from_address="shop@example.com", send_mode="instant")
    body = admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"}, follow=True).content.decode()
    assert "535" in body
    assert "What to do" in body
    assert f'href="{reverse("secrets_app:environment")}"' in body, "the way to the connection that has to be mended"
    assert "canary-7c0ffee" not in body


@pytest.mark.django_db(transaction=True)
def test_what_a_driver_without_delivery_did_is_not_called_wrong(admin_client, mail_settings):
    mail_settings(driver="log", from_address="shop@example.com", send_mode="instant")
    body = admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"}, follow=True).content.decode()
    assert "Written to" in body
    assert "What went wrong" not in body
    assert reverse("mailadmin:events") in body
    assert "Everything is set up" in admin_client.get(reverse("overview")).content.decode()


def test_without_a_from_address_the_test_page_says_where_to_set_it(admin_client):
    answer = admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"})
    assert "there is no From address yet. Set it in the mail settings." in answer.content.decode()
    assert not Message.objects.exists()


def test_test_mails_are_limited_to_a_few_a_minute(admin_client, mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")
    answers = [admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"}) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [302] * 10 + [422]
    assert Message.objects.count() == 10


def test_somebody_elses_test_result_is_not_shown(admin_client, mail_settings, client):
    mail_settings(driver="silent", from_address="shop@example.com")
    admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"})
    tester = make_user("tester@example.com", "mailadmin.send_test")
    client.force_login(tester)
    assert client.get(reverse("mailadmin:test_result", args=[Message.objects.get().pk])).status_code == 403
    assert client.get(reverse("mailadmin:test_result", args=[999_999])).status_code == 404
    assert client.get("/mail/test/99999999999999999999999/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_the_events_page_shows_what_the_log_driver_wrote(admin_client, mail_settings):
    mail_settings(driver="log", from_address="shop@example.com", send_mode="instant")
    assert "Nothing was recorded yet" in admin_client.get(reverse("mailadmin:events")).content.decode()
    admin_client.post(reverse("mailadmin:test"), {"to": "ann@example.com"})
    body = admin_client.get(reverse("mailadmin:events")).content.decode()
    assert "ann@example.com" in body
    assert "Subject: Test mail" not in body
    assert not AuditEvent.objects.exists()
    message = Message.objects.get()
    opened = f"{reverse('mailadmin:events')}?show={message.pk}"
    assert opened.partition("?")[2] in body
    assert "Subject: Test mail" in admin_client.get(opened).content.decode()
    assert list(AuditEvent.objects.values_list("mail_number", "action")) == [(message.pk, "viewed")]


@pytest.mark.django_db(transaction=True)
def test_the_events_page_and_the_file_forget_what_was_deleted_from_the_log(admin_client, admin, mail_settings):
    mail_settings(driver="log", from_address="shop@example.com", send_mode="instant")
    for name in ("ann", "ben", "eve"):
        admin_client.post(reverse("mailadmin:test"), {"to": f"{name}@example.com"})
    ann, ben, eve = Message.objects.order_by("pk")
    deletion.delete([ann.pk], actor=admin)
    deletion.delete_contents([ben.pk])
    for number in (ann.pk, ben.pk):
        body = admin_client.get(reverse("mailadmin:events"), {"show": number}).content.decode()
        assert [f"{name}@example.com" in body for name in ("ann", "ben", "eve")] == [False, False, True]
    assert not AuditEvent.objects.filter(action="viewed").exists()
    assert pruning.prune_now().records == 2
    text = settings.MAIL.log_file.read_text()
    assert [f"{name}@example.com" in text for name in ("ann", "ben", "eve")] == [False, False, True]
    assert "Subject: Test mail" in admin_client.get(reverse("mailadmin:events"), {"show": eve.pk}).content.decode()
