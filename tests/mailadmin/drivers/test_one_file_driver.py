"""A driver with a kind of secret of its own, in one file beside this one: everything works with it.

The file is in docs/adding-a-driver.md, word for word.
"""

import html
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.mail import EmailMessage
from django.utils import timezone
from django.views.debug import ExceptionReporter

from mailadmin.api import Attachment, Mail, send, send_many
from mailadmin.backends import OutboxBackend
from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.delivery import deliver, maintenance
from mailadmin.drivers import registry
from mailadmin.errors import InvalidMail
from mailadmin.models import ConnectionState
from maillog.models import Attempt, Message, Status
from secrets_app import storing
from secrets_app.kinds import kind_registry
from secrets_app.models import Secret, SecretValue
from tests.config.starting import BASE_DIR, SECRET_KEY, SECRETS_KEYS

pytestmark = pytest.mark.django_db(transaction=True)

MODULE = "tests.mailadmin.drivers.pickup_driver"
TOKEN = "canary-token-4711"


@pytest.fixture(autouse=True)
def pickup(settings, monkeypatch):
    """Register the driver for one test, as the setting does at the start."""
    monkeypatch.setattr(registry, "_drivers", dict(registry._drivers))
    monkeypatch.setattr(kind_registry, "_kinds", dict(kind_registry._kinds))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    settings.MAIL_DRIVER_MODULES = (MODULE,)
    registry.load_drivers()
    yield registry.find_driver("pickup")
    sys.modules.pop(MODULE, None)


@pytest.fixture
def folder(tmp_path):
    """A gateway that accepts the token."""
    made = tmp_path / "pickup"
    made.mkdir()
    (made / "token").write_text(TOKEN)
    return made


@pytest.fixture
def stored(admin):
    """Store a connection to a folder."""

    def store(folder, name="Gateway", token=TOKEN):
        fields, values = {"folder": str(folder)}, {"token": token}
        return storing.store(
            kind="pickup", name=name, fields=fields, values=values, actor=admin, available_to_system=True
        )

    return store


@pytest.fixture
def in_force(mail_settings):
    """Make it the driver in force, as MAIL_DRIVER=pickup does."""
    return mail_settings(driver="pickup", from_address="shop@example.com")


def save(admin, **values):
    revision = effective.current().revision
    effective.save(values, author=admin, expected_revision=revision)


def text_of(response):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.content.decode())).split())


def mail(**fields):
    return Mail(**{"to": ["ann@example.com"], "subject": "Hi", "text": "x", "mode": "background", **fields})


def status_of(mail_id):
    return Message.objects.get(pk=mail_id).status


def attempts_of(mail_id):
    found = Attempt.objects.filter(message=mail_id).order_by("id")
    return [(one.driver, one.connection, one.outcome) for one in found]


# ---------------------------------------------------------------- pages and settings


def test_the_settings_page_offers_it_with_its_sentence_and_saves_it(admin_client):
    page = text_of(admin_client.get("/mail/settings/"))
    assert "Pickup Messages go into the pickup folder of a gateway, which delivers them." in page
    data = {"driver": "pickup", "mode": "background", "from_address": "shop@example.com"}
    assert admin_client.post("/mail/settings/", data).status_code == 302
    assert effective.driver_of(effective.current()) is registry.find_driver("pickup")


def test_a_secret_of_its_kind_is_made_on_the_secrets_page(admin_client, folder):
    assert "Pickup folder" in text_of(admin_client.get("/secrets/new/"))
    form = text_of(admin_client.get("/secrets/new/pickup/"))
    for label in ("Name", "Folder", "Token", "Available to the system"):
        assert label in form, label
    data = {"name": "Gateway", "folder": str(folder), "token": TOKEN, "available_to_system": "on"}
    assert admin_client.post("/secrets/new/pickup/", data).status_code == 302
    secret = Secret.objects.get()
    assert (secret.kind, secret.fields) == ("pickup", {"folder": str(folder)})
    assert TOKEN not in SecretValue.objects.get().ciphertext
    for page in ("/secrets/", f"/secrets/{secret.pk}/"):
        body = text_of(admin_client.get(page))
        assert str(folder) in body or page != "/secrets/"
        assert TOKEN not in body


def test_its_token_is_typed_again_when_the_folder_changes(admin_client, stored, folder, tmp_path):
    secret = stored(folder)
    data = {"name": "Gateway", "folder": str(tmp_path), "token_action": "keep", "revision": "1"}
    response = admin_client.post(f"/secrets/{secret.pk}/", data)
    assert response.status_code == 422
    assert "because the server changed (Folder)" in text_of(response)


def test_the_primary_connection_must_be_one_of_the_chosen_driver(admin_client, stored, folder, secret, smtp_server):
    relay, gateway = secret("Relay", smtp_server), stored(folder)
    data = {"driver": "smtp", "mode": "background", "primary_connection": str(gateway.pk)}
    response = admin_client.post("/mail/settings/", data)
    assert response.status_code == 422
    assert "The driver “Pickup” uses this connection." in text_of(response)
    backed_up = {**data, "primary_connection": str(relay.pk), "backup_connections": [str(gateway.pk)]}
    assert admin_client.post("/mail/settings/", backed_up).status_code == 302


def test_a_driver_that_is_not_installed_any_more_holds_the_queue(admin, admin_client, monkeypatch):
    save(admin, driver="pickup", from_address="shop@example.com")
    monkeypatch.delitem(registry._drivers, "pickup")
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert status_of(number) == Status.HELD
    assert Message.objects.get(pk=number).reason.startswith("The driver “pickup” is not installed.")
    for page in ("/", "/mail/settings/", "/mail/queue/", "/mail/test/"):
        assert admin_client.get(page).status_code == 200, page


# ---------------------------------------------------------------- the environment


def start(tmp_path, **variables):
    """Run ``manage.py check`` with these variables, in a process of its own."""
    stores = {name: f"sqlite:///{tmp_path}/{name}.sqlite3" for name in ("DATABASE_URL", "QUEUE_URL")}
    keys = {"SECRET_KEY": SECRET_KEY, "SECRETS_KEYS": SECRETS_KEYS, "DJANGO_SETTINGS_MODULE": "config.settings"}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=BASE_DIR,
        env={**os.environ, **stores, **keys, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_mail_driver_names_it_and_an_unknown_key_is_refused_by_name(tmp_path):
    known = {"MAIL_DRIVER_MODULES": MODULE}
    done = start(tmp_path, MAIL_DRIVER="pickup", **known)
    assert done.returncode == 0, done.stderr
    for variables, words in (
        (
            {"MAIL_DRIVER": "pigeon", **known},
            "MAIL_DRIVER: must be one of smtp, sendmail, pickup, log, silent, disabled",
        ),
        ({"MAIL_DRIVER": "pickup"}, "not 'pickup'"),
        ({"PICKUP_TOKEN": TOKEN, **known}, "PICKUP_FOLDER: is missing"),
        ({"MAIL_DRIVER_MODULES": "no.such.module"}, "MAIL_DRIVER_MODULES: there is no module 'no.such.module'"),
    ):
        refused = start(tmp_path, **variables)
        assert refused.returncode == 2, variables
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr
        assert TOKEN not in refused.stderr


def test_its_variables_make_a_connection_that_is_shown_checked_and_used(settings, in_force, folder, admin_client):
    settings.READ_VARIABLE = {"PICKUP_FOLDER": str(folder), "PICKUP_TOKEN": TOKEN}.get
    (connection,) = selection.connections()
    assert (connection.id, connection.has) == ("environment-pickup", frozenset({"token"}))
    for page in ("/secrets/", "/secrets/environment/"):
        body = text_of(admin_client.get(page))
        assert "environment-pickup" in body or page != "/secrets/"
        assert "PICKUP_FOLDER" in body
        assert TOKEN not in body
    check = "/mail/connection-check/stored/pickup/environment-pickup/"
    assert f'formaction="{check}"' in admin_client.get("/secrets/environment/").content.decode()
    assert "environment-pickup is ready for mail." in text_of(admin_client.post(check))
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert attempts_of(number) == [("pickup", "environment-pickup", "sent")]


def test_the_name_of_its_environment_connection_is_reserved(admin_client, folder):
    data = {"name": "Environment-pickup", "folder": str(folder), "token": TOKEN}
    assert admin_client.post("/secrets/new/pickup/", data).status_code == 422


# ---------------------------------------------------------------- connection check


def test_a_connection_is_checked_before_and_after_it_is_stored(admin_client, folder, stored):
    data = {"name": "Gateway", "folder": str(folder), "token": TOKEN}
    new = "/mail/connection-check/new/pickup/"
    assert f'formaction="{new}"' in admin_client.get("/secrets/new/pickup/").content.decode()
    assert "Pickup is ready for mail." in text_of(admin_client.post(new, data))
    failed = text_of(admin_client.post(new, {**data, "token": "wrong"}))
    assert "stops at “Connect”" in failed
    assert "The gateway refuses the token." in failed
    assert not Secret.objects.exists()
    secret = stored(folder)
    changed = f"/mail/connection-check/changed/pickup/{secret.pk}/"
    assert f'formaction="{changed}"' in admin_client.get(f"/secrets/{secret.pk}/").content.decode()
    kept = {**data, "token": "", "token_action": "keep", "revision": "1"}
    assert "Pickup is ready for mail." in text_of(admin_client.post(changed, kept))
    after = text_of(admin_client.post(f"/mail/connection-check/stored/pickup/{secret.pk}/"))
    assert "Gateway is ready for mail." in after


def test_a_kind_without_a_driver_has_no_check(admin_client, folder, stored, monkeypatch):
    secret = stored(folder)
    monkeypatch.delitem(registry._drivers, "pickup")
    assert "/mail/connection-check/" not in admin_client.get(f"/secrets/{secret.pk}/").content.decode()
    assert admin_client.post(f"/mail/connection-check/stored/pickup/{secret.pk}/").status_code == 404
    assert selection.connections() == []


# ---------------------------------------------------------------- sending


def test_a_test_mail_goes_through_it_and_its_result_names_it(admin_client, in_force, folder, stored, jobs):
    stored(folder)
    assert "Gateway" in text_of(admin_client.get("/mail/test/"))
    response = admin_client.post("/mail/test/", {"to": "ann@example.com"})
    jobs.run()
    number = Message.objects.get().pk
    result = text_of(admin_client.get(response.url))
    for words in ("pickup", "Gateway", str(folder)):
        assert words in result, words
    assert b"X-Receiver: ann@example.com\r\n" in (folder / f"{number}.eml").read_bytes()
    page = text_of(admin_client.get(f"/log/{number}/"))
    assert f"pickup · Gateway · {folder}" in page
    assert "without TLS" not in page


def test_a_message_that_is_not_stored_is_retried_from_the_queue(in_force, folder, stored):
    stored(folder)
    number = send(mail())
    blocked = folder / f"{number}.eml"
    blocked.mkdir()
    deliver.deliver_due()
    assert status_of(number) == Status.DEFERRED
    blocked.rmdir()
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        deliver.deliver_due()
    assert status_of(number) == Status.SENT
    assert attempts_of(number) == [("pickup", "Gateway", "deferred"), ("pickup", "Gateway", "sent")]


def test_a_refused_token_pauses_the_connection_after_one_attempt(in_force, folder, stored, admin):
    secret = stored(folder, token="old")
    send_many([mail() for _each in range(20)])
    deliver.deliver_due()
    assert set(Message.objects.values_list("status", flat=True)) == {Status.HELD}
    assert Attempt.objects.count() == 1
    assert ConnectionState.objects.get().state == ConnectionState.State.PAUSED
    storing.change(secret.pk, revision=1, name="Gateway", fields=secret.fields, values={"token": TOKEN}, actor=admin)
    deliver.deliver_due()
    assert set(Message.objects.values_list("status", flat=True)) == {Status.SENT}


def test_a_missing_folder_is_probed_until_it_is_there(in_force, folder, stored, tmp_path):
    missing = tmp_path / "later"
    stored(missing)
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert status_of(number) == Status.HELD
    assert ConnectionState.objects.get().state == ConnectionState.State.UNREACHABLE
    folder.rename(missing)
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        maintenance.probe_connections()
        deliver.deliver_due()
    assert status_of(number) == Status.SENT


def test_a_failure_goes_over_to_a_connection_of_another_driver_and_back(
    in_force, mail_settings, folder, stored, secret, smtp_server, admin, tmp_path
):
    broken, gateway, relay = stored(tmp_path / "none", name="Broken"), stored(folder), secret("Relay", smtp_server)
    save(admin, primary_connection=str(broken.pk), backup_connections=f"{relay.pk}")
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert attempts_of(number) == [("pickup", "Broken", "deferred"), ("smtp", "Relay", "sent")]
    assert len(smtp_server.mails) == 1

    smtp_server.stop()
    mail_settings(driver="smtp", from_address="shop@example.com")
    save(admin, primary_connection=str(relay.pk), backup_connections=f"{gateway.pk}")
    (number,) = send_many([mail()])
    deliver.deliver_due()
    assert attempts_of(number) == [("smtp", "Relay", "deferred"), ("pickup", "Gateway", "sent")]
    assert (folder / f"{number}.eml").exists()


def test_a_message_may_ask_for_its_connection_while_another_driver_is_in_force(mail_settings, folder, stored):
    mail_settings(driver="smtp", from_address="shop@example.com")
    stored(folder)
    asking, other = send_many([mail(connection_hint="Gateway"), mail()])
    deliver.deliver_due()
    assert attempts_of(asking) == [("pickup", "Gateway", "sent")]
    assert status_of(other) == Status.HELD, "without the hint, only connections of the driver in force are used"


# ---------------------------------------------------------------- what it cannot carry


def test_an_attachment_is_refused_by_name_before_anything_is_stored(in_force, folder, stored, admin):
    stored(folder)
    attached = mail(attachments=[Attachment(filename="a.txt", content=b"a", content_type="text/plain")])
    with pytest.raises(InvalidMail) as refused:
        send_many([mail(), attached])
    assert (refused.value.field, refused.value.position) == ("attachments", 1)
    assert refused.value.reason == "The driver “Pickup” cannot carry attachments."
    message = EmailMessage("Hi", "x", to=["ann@example.com"], attachments=[("a.txt", b"a", "text/plain")])
    with pytest.raises(InvalidMail, match="cannot carry attachments"):
        OutboxBackend().send_messages([message])
    assert not Message.objects.exists()


def test_a_backup_that_cannot_carry_a_message_is_passed_over(mail_settings, folder, stored, secret, smtp_server, admin):
    mail_settings(driver="smtp", from_address="shop@example.com")
    gateway, relay = stored(folder), secret("Relay", smtp_server)
    smtp_server.stop()
    save(admin, primary_connection=str(relay.pk), backup_connections=f"{gateway.pk}")
    attached = mail(attachments=[Attachment(filename="a.txt", content=b"a", content_type="text/plain")])
    plain, held = send_many([mail(), attached])
    deliver.deliver_due()
    assert (status_of(plain), status_of(held)) == (Status.SENT, Status.HELD)
    assert not (folder / f"{held}.eml").exists()


# ---------------------------------------------------------------- secrets, documents


FAULT = """
def write(envelope, connection):
    token = connection.secrets["token"]
    raise RuntimeError("a fault")
"""


def test_a_report_of_a_fault_in_it_shows_no_secret(in_force, folder, stored, caplog):
    stored(folder)
    exec(FAULT, vars(sys.modules[MODULE]))
    send_many([mail()])
    deliver.deliver_due()
    assert Message.objects.get().status == Status.DEFERRED
    (failure,) = [record.exc_info for record in caplog.records if record.exc_info]
    report = ExceptionReporter(None, *failure)
    assert "in write" in report.get_traceback_text()
    for text in (report.get_traceback_text(), report.get_traceback_html(), caplog.text):
        assert TOKEN not in text


def test_the_document_holds_the_file_word_for_word():
    document = (BASE_DIR / "docs/adding-a-driver.md").read_text(encoding="utf-8")
    source = (Path(__file__).parent / "pickup_driver.py").read_text(encoding="utf-8")
    assert f"```python\n{source}```" in document
    assert len(source.splitlines()) < 80


def test_no_file_but_its_own_names_a_driver():
    keys = "|".join(registry.driver_keys())
    quoted = re.compile(rf"[\"']({keys})[\"']")
    guilty = [
        f"{path.relative_to(BASE_DIR)}: {found[0]}"
        for app in ("config", "users", "mailadmin", "secrets_app", "templates_app", "maillog")
        for path in sorted((BASE_DIR / app).rglob("*"))
        if path.suffix in {".py", ".html"} and "drivers" not in path.parts and "kinds" not in path.parts
        for found in [quoted.search(path.read_text(encoding="utf-8"))]
        if found
    ]
    assert guilty == []
