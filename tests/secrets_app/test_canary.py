"""A known password appears nowhere but where it is used."""

import io
import logging
import traceback

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from secrets_app import encryption, reveal, storing, vault
from secrets_app.kinds.smtp import SmtpForm
from secrets_app.models import Secret, SecretEvent, SecretValue
from tests.cases import case

pytestmark = pytest.mark.django_db
CANARY = "kanarienvogel-7781"
NEW = "/secrets/new/smtp/"


@pytest.fixture
def typed(typed):
    return {**typed, "password": CANARY}


@pytest.fixture
def stored(owner_client, typed):
    """The canary, stored with the form."""
    assert owner_client.post(NEW, typed).status_code == 302
    secret = Secret.objects.get()
    assert reveal.reveal(str(secret.pk)) == {"password": CANARY}
    return secret


def test_no_page_shows_it(owner_client, admin_client, stored, typed):
    edited = {**typed, "revision": "1", "password_action": "replace", "port": "22"}
    pages = [
        *[
            owner_client.get(path)
            for path in ["/secrets/", NEW, f"/secrets/{stored.pk}/", f"/secrets/{stored.pk}/deletion/"]
        ],
        admin_client.get("/secrets/audit/"),
        admin_client.get("/"),
        owner_client.post(NEW, {**typed, "port": "22"}),
        owner_client.post(NEW, typed),  # the name is taken
        owner_client.post(f"/secrets/{stored.pk}/", edited),
        owner_client.post(f"/secrets/{stored.pk}/", {**edited, "port": "587", "revision": "7"}),
        owner_client.post(f"/secrets/{stored.pk}/", {**edited, "password_action": "keep"}),
        owner_client.post(f"/secrets/{stored.pk}/sharing/", {"sharing-revision": "1"}),
    ]
    assert [page.status_code for page in pages] == [200] * 6 + [422] * 6
    for page in pages:
        assert CANARY not in page.content.decode()
        assert CANARY not in str(page.headers)


def test_no_page_is_cached_by_the_browser(owner_client, stored):
    for path in [NEW, f"/secrets/{stored.pk}/"]:
        assert "no-store" in owner_client.get(path).headers["Cache-Control"]


def test_no_row_but_its_own_holds_it_and_that_one_encrypted(stored):
    out = io.StringIO()
    call_command("dumpdata", stdout=out, verbosity=0)
    assert "Relay" in out.getvalue()
    assert SecretValue.objects.get().ciphertext in out.getvalue()
    assert CANARY not in out.getvalue()
    assert CANARY not in str(list(SecretEvent.objects.values()))


def test_no_query_carries_it(owner_client, typed):
    with CaptureQueriesContext(connection) as queries:
        owner_client.post(NEW, typed)
    assert any("ciphertext" in query["sql"] for query in queries)
    assert not [query for query in queries if CANARY in query["sql"]]


def test_no_log_line_holds_it(owner_client, typed, caplog, settings, other_key):
    settings.DEBUG = True
    with caplog.at_level(logging.DEBUG):
        owner_client.post(NEW, {**typed, "port": "22"})
        owner_client.post(NEW, typed)
        secret = Secret.objects.get()
        reveal.reveal(str(secret.pk))
        other_key()
        owner_client.get(f"/secrets/{secret.pk}/")
        with pytest.raises(vault.SecretUnreadable):
            reveal.reveal(str(secret.pk))
    assert caplog.records
    assert CANARY not in caplog.text
    assert not [record for record in caplog.records if CANARY in str(record.__dict__)]


def test_no_representation_holds_it(stored, typed):
    form = SmtpForm(typed)
    form.is_valid()
    for thing in [form, stored, vault.connections(), SecretValue.objects.get(), SecretEvent.objects.all()]:
        assert CANARY not in repr(thing) + str(thing)


def fail(*args, **kwargs):
    raise RuntimeError("something broke in here")


def test_no_error_page_or_report_shows_it(owner, typed, monkeypatch, settings, caplog):
    client = Client(raise_request_exception=False)
    client.force_login(owner, backend=settings.AUTHENTICATION_BACKENDS[0])
    for place, name in [
        (encryption, "Fernet"),
        (storing, "record_event"),
        (storing, "encrypt_value"),
        (SecretValue.objects, "update_or_create"),
        (SmtpForm, "clean"),
        (SmtpForm, "stored_fields"),
        (storing, "store"),
    ]:
        for debug in [True, False]:
            with case(place, name, debug), monkeypatch.context() as broken:
                settings.DEBUG = debug
                broken.setattr(place, name, fail)
                response = client.post(NEW, typed)
                assert response.status_code == 500
                body = response.content.decode()
                assert ("something broke in here" in body) is debug
                assert ("Traceback" in body) is debug
                assert CANARY not in body
                assert CANARY not in caplog.text
                assert not Secret.objects.exists()


def test_no_error_page_shows_it_when_the_page_itself_fails(owner, typed, monkeypatch, settings):
    client = Client(raise_request_exception=False)
    client.force_login(owner, backend=settings.AUTHENTICATION_BACKENDS[0])
    settings.DEBUG = True
    monkeypatch.setattr("secrets_app.views.secret_form_pages.render", fail)
    response = client.post(NEW, {**typed, "port": "22"})
    assert response.status_code == 500
    assert "Traceback" in response.content.decode()
    assert CANARY not in response.content.decode()


def test_no_traceback_of_a_lost_key_holds_it(stored, other_key):
    other_key()
    with pytest.raises(vault.SecretUnreadable) as caught:
        reveal.reveal(str(stored.pk))
    lines = "".join(traceback.TracebackException.from_exception(caught.value).format())
    assert CANARY not in lines
    assert "InvalidToken" not in lines
