"""A new kind of secret is one registered class."""

import html

import pytest

from secrets_app import reveal, vault
from secrets_app.kinds import kind_registry
from secrets_app.kinds.base import SecretForm
from secrets_app.kinds.fields import SecretTextField, TextField
from secrets_app.kinds.kind_registry import find_kind, kind_of, kinds, register_kind
from secrets_app.models import Secret

pytestmark = pytest.mark.django_db


@pytest.fixture
def pigeon(monkeypatch):
    monkeypatch.setattr(kind_registry, "_kinds", dict(kind_registry._kinds))

    @register_kind
    class PigeonForm(SecretForm):
        key = "pigeon"
        label = "Carrier pigeon"
        icon = "bird"
        secret_fields = ("whistle", "grain")
        reentry_on = ("loft",)
        sections = (("", (("name",), ("loft",), ("whistle",), ("grain",))), ("More", (("available_to_system",),)))

        loft = TextField(label="Loft", max_length=20)
        whistle = SecretTextField(label="Whistle")
        grain = SecretTextField(label="Grain")

    return PigeonForm


def test_the_new_kind_has_type_page_and_validation(pigeon, owner_client):
    assert [form.key for form in kinds()] == ["smtp", "pigeon"]
    assert "Carrier pigeon" in html.unescape(owner_client.get("/secrets/new/").content.decode())
    assert "Whistle" in owner_client.get("/secrets/new/pigeon/").content.decode()
    refused = owner_client.post("/secrets/new/pigeon/", {"name": "P", "loft": "x" * 21, "whistle": "w"})
    assert refused.status_code == 422
    assert owner_client.post("/secrets/new/pigeon/", {"name": "P", "loft": "north", "whistle": "w"}).status_code == 302
    secret = Secret.objects.get()
    assert (secret.kind, secret.fields) == ("pigeon", {"loft": "north"})
    assert reveal.reveal(str(secret.pk)) == {"whistle": "w"}
    assert vault.connections(["pigeon"])[0].has == {"whistle"}
    assert vault.connections(["smtp"]) == []
    assert owner_client.get("/secrets/").status_code == 200


def test_each_of_its_secret_fields_is_kept_replaced_or_removed_alone(pigeon, owner_client):
    owner_client.post("/secrets/new/pigeon/", {"name": "P", "loft": "north", "whistle": "w", "grain": "g"})
    secret = Secret.objects.get()
    page = f"/secrets/{secret.pk}/"
    data = {
        "name": "P",
        "loft": "north",
        "revision": "1",
        "whistle_action": "replace",
        "whistle": "w2",
        "grain_action": "keep",
    }
    assert owner_client.post(page, data).status_code == 302
    assert reveal.reveal(str(secret.pk)) == {"whistle": "w2", "grain": "g"}
    moved = {**data, "loft": "south", "revision": "2"}
    assert owner_client.post(page, moved).status_code == 422
    assert owner_client.post(page, {**moved, "grain_action": "remove"}).status_code == 302
    assert reveal.reveal(str(secret.pk)) == {"whistle": "w2"}


def test_a_key_can_be_registered_only_once(pigeon):
    class Other(SecretForm):
        key = "pigeon"

    with pytest.raises(ValueError, match="taken"):
        register_kind(Other)
    assert kind_of("pigeon") is find_kind("pigeon") is pigeon
    assert find_kind("unknown") is None
    with pytest.raises(KeyError):
        kind_of("unknown")
