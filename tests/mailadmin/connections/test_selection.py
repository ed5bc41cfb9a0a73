"""Which connection a message of the system leaves through, and that nobody gets it by storing a secret."""

from typing import Any

import pytest
from django.test import Client

from mailadmin.api import Mail, send
from mailadmin.configuration import effective
from mailadmin.delivery import deliver
from maillog.models import Message, Status
from secrets_app import storing
from secrets_app.models import Secret
from tests.conftest import signed_in
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

MAIL = Mail(to=["ann@example.com"], subject="Hi", text="Hello")


@pytest.fixture
def primary(start_smtp, secret, admin, mail_settings):
    """Store a primary connection, a backup, and another that is available to the system; return their servers."""
    mail_settings(from_address="shop@example.com")
    servers = {name: start_smtp() for name in ("primary", "backup", "other")}
    ids = {name: str(secret(name, servers[name]).pk) for name in servers}

    def choose(*, backup: bool) -> dict[str, Any]:
        chosen = {"primary_connection": ids["primary"], "backup_connections": ids["backup"] if backup else ""}
        effective.save(chosen, author=admin, expected_revision=None)
        return servers

    return choose


def test_while_the_primary_connection_is_missing_messages_wait_and_say_so(primary, admin):
    servers = primary(backup=False)
    storing.delete(Secret.objects.get(name="primary").pk, actor=admin)
    send(MAIL)
    deliver.deliver_due()
    message = Message.objects.get()
    assert message.status == Status.HELD
    assert "primary connection is missing" in message.reason
    assert not servers["other"].mails


def test_a_backup_takes_over_for_a_missing_primary_connection(primary, admin):
    servers = primary(backup=True)
    secret = Secret.objects.get(name="primary")
    storing.share(secret.pk, revision=1, owners=[admin], groups=[], available_to_system=False, actor=admin)
    send(MAIL)
    deliver.deliver_due()
    assert len(servers["backup"].mails) == 1
    assert not servers["other"].mails


def test_who_may_only_store_secrets_gets_no_password_reset(start_smtp, admin, mail_settings):
    mail_settings(from_address="shop@example.com")
    mallory = signed_in(make_user("mallory@example.com", "secrets_app.use_secrets"))
    server = start_smtp()
    typed = {
        **{name: str(server.fields[name]) for name in ("host", "port", "tls", "username", "password", "ca_pem")},
        "name": "Mine",
        "timeout": "20",
        "sender": "shop@example.com",
        "available_to_system": "on",
    }
    mallory.post("/secrets/new/smtp/", typed)
    secret = Secret.objects.get()
    sharing = {"sharing-revision": "1", "sharing-owners": [secret.owners.get().pk], "sharing-available_to_system": "on"}
    mallory.post(f"/secrets/{secret.pk}/sharing/", sharing)
    Client().post("/account/password/reset/", {"email": admin.email})
    deliver.deliver_due()
    assert Message.objects.get().status == Status.HELD
    assert not server.mails
