"""Writing to the vault: in one transaction, by owners only, with an entry in the audit log."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from secrets_app import reveal, storing, vault
from secrets_app.models import Secret, SecretEvent, SecretValue
from tests.cases import case, rolled_back
from tests.factories import make_user
from tests.secrets_app.conftest import FIELDS

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def change(secret, *, actor, revision=None, name="Relay", values=None, **fields):
    return storing.change(
        secret.pk,
        revision=revision or secret.revision,
        name=name,
        fields={**FIELDS, **fields},
        values=values or {},
        actor=actor,
    )


def actions():
    return list(SecretEvent.objects.order_by("pk").values_list("action", flat=True))


def test_whoever_stores_it_owns_it(secret, owner):
    assert list(secret.owners.all()) == [owner]
    event = SecretEvent.objects.get()
    assert (event.action, event.actor, event.actor_name, event.secret_name) == ("created", owner, "Olga Owner", "Relay")
    assert event.changed == ["host", "username", "password"]


def test_nothing_is_stored_if_the_audit_log_cannot_be_written(owner, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(storing, "record_event", fail)
    with pytest.raises(RuntimeError):
        storing.store(kind="smtp", name="Relay", fields=FIELDS, values={"password": "x"}, actor=owner)
    assert not Secret.objects.exists()
    assert not SecretValue.objects.exists()


def test_an_absent_value_is_kept_a_text_replaces_and_none_removes(secret, owner):
    change(secret, actor=owner, sender="a@example.com")
    assert reveal.reveal(str(secret.pk)) == {"password": "first-password"}
    change(secret, actor=owner, revision=2, sender="a@example.com", values={"password": "second"})
    assert reveal.reveal(str(secret.pk)) == {"password": "second"}
    change(secret, actor=owner, revision=3, sender="a@example.com", values={"password": None})
    assert reveal.reveal(str(secret.pk)) == {}
    assert actions() == ["created", "changed", "value_replaced", "value_removed"]


def test_saving_without_a_change_writes_nothing(secret, owner):
    change(secret, actor=owner)
    secret.refresh_from_db()
    assert secret.revision == 1
    assert actions() == ["created"]


def test_a_changed_server_does_not_get_the_old_password(secret, owner):
    servers: list[dict[str, Any]] = [
        {"host": "evil.example.com"},
        {"port": 2525},
        {"tls": "none"},
        {"username": "x"},
        {"verify": False},
        {"ca_pem": "of somebody in the middle"},
    ]
    for server in servers:
        with rolled_back(server):
            with pytest.raises(vault.ReentryNeeded):
                change(secret, actor=owner, **server)
            secret.refresh_from_db()
            assert secret.fields == FIELDS
            change(secret, actor=owner, values={"password": "typed again"}, **server)
            assert reveal.reveal(str(secret.pk)) == {"password": "typed again"}


def test_switching_the_certificate_check_on_keeps_the_password(make_secret, owner):
    secret = make_secret(verify=False)
    change(secret, actor=owner, verify=True)
    assert reveal.reveal(str(secret.pk)) == {"password": "first-password"}


def test_a_changed_server_without_a_stored_password_asks_for_none(make_secret, owner):
    secret = make_secret(password="")
    change(secret, actor=owner, host="other.example.com")
    secret.refresh_from_db()
    assert secret.fields["host"] == "other.example.com"


def test_the_second_of_two_saves_is_refused(secret, owner, admin):
    change(secret, actor=owner, sender="first@example.com")
    with pytest.raises(vault.EditConflict):
        change(secret, actor=admin, revision=1, sender="second@example.com")
    secret.refresh_from_db()
    assert secret.fields["sender"] == "first@example.com"


def test_a_name_is_taken_in_every_spelling(secret, owner):
    for name in ["Relay", "RELAY", "relay", "Ｒelay"]:
        with case(name):
            with pytest.raises(vault.NameTaken):
                storing.store(kind="smtp", name=name, fields=FIELDS, values={"password": "x"}, actor=owner)
            assert Secret.objects.count() == 1
            assert SecretValue.objects.count() == 1


def test_names_beyond_ascii_are_compared_without_letter_case(make_secret):
    for first, second in [("Büro", "BÜRO"), ("Straße", "STRASSE")]:
        with case(first, second):
            make_secret(first)
            with pytest.raises(vault.NameTaken):
                make_secret(second)


def test_renaming_to_a_taken_name_is_refused_and_to_another_spelling_of_its_own_is_not(make_secret, owner):
    secret = make_secret("Relay")
    make_secret("Other")
    with pytest.raises(vault.NameTaken):
        change(secret, actor=owner, name="OTHER")
    assert change(secret, actor=owner, name="RELAY").name == "RELAY"


@pytest.mark.parametrize("who", ["teammate", "stranger"])
def test_only_owners_and_administrators_write(make_secret, team, who, request, admin):
    person = request.getfixturevalue(who)
    secret = make_secret(groups=[team], system=True)
    with pytest.raises(PermissionDenied):
        change(secret, actor=person, sender="a@example.com")
    with pytest.raises(PermissionDenied):
        storing.delete(secret.pk, actor=person)
    with pytest.raises(PermissionDenied):
        storing.share(secret.pk, revision=1, owners=[person], groups=[], available_to_system=True, actor=person)
    assert actions() == ["created"]
    change(secret, actor=admin, sender="a@example.com")
    storing.delete(secret.pk, actor=admin)


def test_an_owner_who_may_not_sign_in_any_more_writes_nothing(secret, owner):
    owner.is_active = False
    owner.save()
    with pytest.raises(PermissionDenied):
        change(secret, actor=owner, sender="a@example.com")


def test_sharing_records_who_was_added_and_removed(secret, stranger, team, admin):
    storing.share(secret.pk, revision=1, owners=[stranger], groups=[team], available_to_system=True, actor=admin)
    event = SecretEvent.objects.latest("pk")
    assert event.action == "shared"
    assert event.changed == [
        "owners +Stan Stranger",
        "owners -Olga Owner",
        "groups +Marketing",
        "available_to_system +",
    ]
    assert list(secret.owners.all()) == [stranger]


def test_sharing_that_changes_nothing_is_not_recorded(secret, owner):
    storing.share(secret.pk, revision=1, owners=[owner], groups=[], available_to_system=False, actor=owner)
    assert actions() == ["created"]


def test_the_last_owner_stays(secret, owner):
    with pytest.raises(ValueError, match="needs an owner"):
        storing.share(secret.pk, revision=1, owners=[], groups=[], available_to_system=False, actor=owner)
    assert list(secret.owners.all()) == [owner]


def test_an_owner_shares_with_groups_of_his_own_only_and_keeps_those_that_are_there(make_secret, owner, team, admin):
    secret = make_secret()
    with pytest.raises(PermissionDenied):
        storing.share(secret.pk, revision=1, owners=[owner], groups=[team], available_to_system=False, actor=owner)
    storing.share(secret.pk, revision=1, owners=[owner], groups=[team], available_to_system=False, actor=admin)
    owner.groups.clear()
    storing.share(secret.pk, revision=2, owners=[owner, admin], groups=[team], available_to_system=False, actor=owner)
    assert list(secret.groups.all()) == [team]


def test_only_who_may_configure_mail_makes_a_secret_available_to_the_system(secret, owner):
    with pytest.raises(PermissionDenied):
        storing.share(secret.pk, revision=1, owners=[owner], groups=[], available_to_system=True, actor=owner)
    configurer = make_user("conny@example.com", "secrets_app.use_secrets", "mailadmin.configure_mail")
    secret.owners.add(configurer)
    storing.share(secret.pk, revision=1, owners=[configurer], groups=[], available_to_system=True, actor=configurer)
    secret.refresh_from_db()
    assert secret.available_to_system


def test_an_owner_alone_does_not_redirect_mail_of_the_system(make_secret, owner):
    """Neither by another server, nor by taking the secret away so that mail leaves elsewhere."""
    secret = make_secret(system=True)
    with pytest.raises(PermissionDenied):
        change(secret, actor=owner, host="evil.example.com", values={"password": "typed again"})
    with pytest.raises(PermissionDenied):
        storing.share(secret.pk, revision=1, owners=[owner], groups=[], available_to_system=False, actor=owner)
    with pytest.raises(PermissionDenied):
        storing.delete(secret.pk, actor=owner)
    assert actions() == ["created"]


def test_deleting_removes_the_values_and_keeps_the_audit_log(secret, owner):
    number = secret.pk
    assert storing.delete(secret.pk, actor=owner) == "Relay"
    assert not SecretValue.objects.exists()
    events = SecretEvent.objects.order_by("pk")
    assert [event.action for event in events] == ["created", "deleted"]
    assert {event.secret for event in events} == {None}
    assert {event.secret_number for event in events} == {number}


def test_what_is_deleted_already_is_gone(secret, owner):
    storing.delete(secret.pk, actor=owner)
    with pytest.raises(vault.SecretGone):
        storing.delete(secret.pk, actor=owner)
    with pytest.raises(vault.SecretGone):
        change(secret, actor=owner, revision=1)


def test_the_audit_log_keeps_the_name_of_a_deleted_account(secret, owner):
    heir = make_user("heir@example.com")
    secret.owners.add(heir)
    owner.delete()
    event = SecretEvent.objects.get()
    assert (event.actor, event.actor_name) == (None, "Olga Owner")
