"""What a Django message says beside its content is honoured, or refused by name."""

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from django.contrib.auth.forms import PasswordResetForm
from django.core import signing
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.test import override_settings
from django.utils import timezone

from mailadmin.errors import InvalidMail
from maillog.content.storage import unpack
from maillog.models import Content, Message, Recipient
from tests.cases import case

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
# The text of django.contrib.admin, which is not installed here.
LINK = "{{ protocol }}://{{ domain }}{% url 'password_reset_confirm' uidb64=uid token=token %}"
RESET_TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"link": LINK, "subject": "Reset"})]},
}


@pytest.fixture(autouse=True)
def configured(mail_settings):
    return mail_settings(driver="silent", from_address="shop@example.com")


def send(**attributes):
    one = EmailMessage("Hi", "x", None, ["ann@example.com"])
    vars(one).update(attributes)
    assert one.send() == 1
    return Message.objects.latest("pk")


def test_ours_are_honoured():
    row = send(
        tags=["order", "vip"],
        metadata={"order": 17},
        sensitive=True,
        language="de",
        mode="instant",
        envelope_sender="bounces@example.com",
    )
    assert (row.tags, row.is_sensitive, row.language, row.mode) == ("order vip", True, "de", "instant")
    assert row.sender.text == "bounces@example.com"
    content = Content.objects.get(pk=row.pk)
    assert content.metadata == {"order": 17}
    assert message_from_bytes(unpack(content.mime), policy=policy.default)["From"] == "shop@example.com"
    assert list(Recipient.objects.values_list("address", flat=True)) == ["ann@example.com"]


def test_send_at_is_taken_as_anymail_takes_it():
    tomorrow = timezone.now().replace(microsecond=0) + timedelta(days=1)
    day = date.today() + timedelta(days=2)  # noqa: DTZ011
    for given, due in (
        (tomorrow, tomorrow),
        (timezone.localtime(tomorrow).replace(tzinfo=None), tomorrow),
        (tomorrow.timestamp(), tomorrow),
        (day, timezone.make_aware(datetime(day.year, day.month, day.day))),  # noqa: DTZ001
    ):
        with case(given):
            row = send(send_at=given)
            assert (row.next_attempt_at, row.mode) == (due, "background")
            said = message_from_bytes(unpack(Content.objects.get(pk=row.pk).mime), policy=policy.default)["Date"]
            assert said.datetime == due
    past = send(send_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert past.next_attempt_at <= timezone.now()


def test_what_is_wrong_is_refused_by_name():
    for name, value in (
        ("tags", ["two words"]),
        ("tags", "text"),
        ("metadata", ["no", "mapping"]),
        ("metadata", {"x": object()}),
        ("send_at", "tomorrow"),
        ("send_at", True),
        ("send_at", timezone.now() + timedelta(days=400)),
        ("mode", "sometime"),
        ("language", "no language"),
        ("envelope_sender", "nobody"),
    ):
        with case(name, value), pytest.raises(InvalidMail) as refusal:
            send(**{name: value})
        assert refusal.value.field == name


def test_what_is_not_supported_is_refused_by_name_if_it_is_set():
    for name, value in (
        ("merge_data", {"ann@example.com": {"name": "Ann"}}),
        ("merge_global_data", {"shop": "x"}),
        ("merge_metadata", {"ann@example.com": {}}),
        ("merge_headers", {"ann@example.com": {}}),
        ("template_id", "welcome"),
        ("track_opens", True),
        ("track_clicks", True),
        ("esp_extra", {"x": 1}),
        ("idempotency_key", "k"),
    ):
        with case(name), pytest.raises(InvalidMail) as refusal:
            send(**{name: value})
        assert refusal.value.field == name
        assert send(**{name: None})
    assert send(track_opens=False, track_clicks=False, esp_extra={}, merge_data={})


@override_settings(ROOT_URLCONF="django.contrib.auth.urls", TEMPLATES=[RESET_TEMPLATES])
def test_the_reset_link_of_contrib_auth_is_sensitive(admin):
    form = PasswordResetForm({"email": admin.email})
    assert form.is_valid()
    form.save(domain_override="example.com", email_template_name="link", subject_template_name="subject")
    assert Message.objects.get().is_sensitive


def test_links_of_allauth_and_signed_values_are_sensitive():
    for link in (
        "https://example.com/accounts/password/reset/key/1-cz5abc-" + "0123456789abcdef" * 2 + "/",
        f"https://example.com/accounts/confirm-email/{signing.dumps(17, salt='account')}/",
        f"https://example.com/activate?key={signing.dumps('ann').replace(':', '%3A')}&x=1",
    ):
        for body, page in ((f"Follow {link}.", ""), ("Hello", f'<a href="{link}">Reset</a>')):
            with case(body, page):
                one = EmailMultiAlternatives("Hi", body, None, ["ann@example.com"])
                if page:
                    one.attach_alternative(page, "text/html")
                assert one.send() == 1
                assert Message.objects.latest("pk").is_sensitive


def test_other_links_are_not():
    for link in (
        "https://example.com/orders/17-2026/",
        "https://example.com/f/" + "0123456789abcdef" * 2,
        "https://example.com/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "https://example.com/time/12:30:45?x=" + "y" * 43,
        "abcdef-" + "0123456789abcdef" * 2,
    ):
        with case(link):
            assert EmailMessage("Hi", f"See {link} now", None, ["ann@example.com"]).send() == 1
            assert not Message.objects.latest("pk").is_sensitive
