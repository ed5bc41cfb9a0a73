"""One short file adds a driver and a kind of secret: settings, secrets, environment and connection check know both."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mailadmin.api import send_many
from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.delivery import deliver
from mailadmin.drivers import registry
from maillog.models import Message, Status
from secrets_app.models import Secret, SecretValue
from tests.config.starting import BASE_DIR, SECRET_KEY, SECRETS_KEYS
from tests.mailadmin.drivers.pickup.gateway import MODULE, TOKEN, attempts_of, mail, save, status_of, text_of

pytestmark = pytest.mark.django_db(transaction=True)


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


# ---------------------------------------------------------------- one file, one document


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
