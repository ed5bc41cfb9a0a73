"""Secrets, and users with different rights to them: owner, teammate, stranger."""

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group

from secrets_app import storing
from secrets_app.models import Secret
from tests.conftest import signed_in
from tests.factories import make_user

FIELDS = {
    "host": "smtp.example.com",
    "port": 587,
    "tls": "starttls",
    "username": "relay",
    "sender": "",
    "ehlo_name": "",
    "timeout": 20.0,
    "ca_pem": "",
    "verify": True,
}


@pytest.fixture
def owner(db):
    """Owns the secrets."""
    return make_user("owner@example.com", "secrets_app.use_secrets", name="Olga Owner")


@pytest.fixture
def team(db):
    return Group.objects.create(name="Marketing")


@pytest.fixture
def teammate(db, team):
    """Member of the team, with which secrets can be shared."""
    user = make_user("teammate@example.com", "secrets_app.use_secrets", name="Tom Teammate")
    user.groups.add(team)
    return user


@pytest.fixture
def stranger(db):
    """May store secrets, but neither owns these nor shares them."""
    return make_user("stranger@example.com", "secrets_app.use_secrets", name="Stan Stranger")


@pytest.fixture
def owner_client(owner):
    return signed_in(owner)


@pytest.fixture
def teammate_client(teammate):
    return signed_in(teammate)


@pytest.fixture
def stranger_client(stranger):
    return signed_in(stranger)


@pytest.fixture
def make_secret(owner):
    """Store an SMTP secret, by default owned by `owner`."""

    def make(name="Relay", *, password="first-password", actor=owner, system=False, groups=(), **fields):
        secret = storing.store(
            kind="smtp",
            name=name,
            fields={**FIELDS, **fields},
            values={"password": password} if password else {},
            actor=actor,
        )
        if system:  # as someone who may configure mail has decided
            Secret.objects.filter(pk=secret.pk).update(available_to_system=True)
            secret.refresh_from_db()
        secret.groups.add(*groups)
        return secret

    return make


@pytest.fixture
def secret(make_secret):
    return make_secret()


@pytest.fixture
def typed():
    """The input of the form of a new secret."""
    return {
        "name": "Relay",
        "host": "smtp.example.com",
        "port": "587",
        "tls": "starttls",
        "username": "relay",
        "password": "first-password",
        "sender": "",
        "ehlo_name": "",
        "timeout": "20",
        "ca_pem": "",
        "available_to_system": "on",
    }


@pytest.fixture
def other_key(settings):
    """Lose the keys of the vault: from then on, only a new one is in use."""

    def lose():
        before = settings.SECRETS_KEYS
        settings.SECRETS_KEYS = (Fernet.generate_key().decode(),)
        return before

    return lose
