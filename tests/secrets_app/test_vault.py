"""Reading connections and passwords from the vault."""

import json

import pytest
from cryptography.fernet import Fernet

from secrets_app import encryption, reveal, vault
from secrets_app.models import Secret, SecretValue
from tests.cases import case
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_connections_come_oldest_first_after_the_environment(make_secret, mail_settings):
    second, first = make_secret("B"), make_secret("A")
    mail_settings(host="relay.example.com")
    assert [c.id for c in vault.connections()] == ["environment", str(second.pk), str(first.pk)]


def test_connections_take_four_queries_however_many_there_are(make_secret, team, owner, django_assert_num_queries):
    for number in range(5):
        make_secret(f"Relay {number}", groups=[team])
    with django_assert_num_queries(4):
        found = vault.connections()
    assert len(found) == 5
    assert found[0].owner_ids == {owner.pk}
    assert found[0].group_ids == {team.pk}
    assert found[0].has == {"password"}


def test_secrets_of_an_unregistered_kind_are_no_connections(secret):
    assert vault.connections(["carrier-pigeon"]) == []


def test_an_older_row_gets_the_defaults_of_fields_that_it_lacks(owner):
    secret = Secret.objects.create(kind="smtp", name="Bare", fields={"host": "mail.example.com"})
    fields = vault.connection(secret).fields
    assert (fields["port"], fields["tls"], fields["timeout"], fields["verify"]) == (587, "starttls", 20.0, True)


def test_a_connection_cannot_be_changed_in_place(secret):
    connection = vault.connections()[0]
    with pytest.raises(TypeError):
        connection.fields["host"] = "evil.example.com"  # type: ignore[index]


def test_environment_connection_fills_in_port_and_tls(mail_settings):
    for port, tls, expected_port, expected_tls in [
        (None, "", 587, "starttls"),
        (None, "ssl", 465, "ssl"),
        (465, "", 465, "ssl"),
        (25, "", 25, "starttls"),
        (25, "none", 25, "none"),
    ]:
        with case(port, tls, expected_port, expected_tls):
            mail_settings(host="relay.example.com", port=port, tls=tls)
            (connection,) = vault.environment_connections(["smtp"])
            assert (connection.fields["port"], connection.fields["tls"]) == (expected_port, expected_tls)
            assert connection.fields["timeout"] == 20.0
            assert connection.available_to_system


def test_without_a_host_the_environment_makes_no_connection(mail_settings):
    mail_settings(from_address="a@example.com")
    assert vault.environment_connections(["smtp"]) == []
    assert vault.connections() == []
    with pytest.raises(vault.SecretGone):
        reveal.reveal("environment")


def test_environment_password_is_revealed_and_absent_where_there_is_none(mail_settings):
    mail_settings(host="relay.example.com", username="u", password="env-password")
    assert reveal.reveal("environment") == {"password": "env-password"}
    assert vault.connections()[0].has == {"password"}
    mail_settings(host="relay.example.com")
    assert reveal.reveal("environment") == {}
    assert vault.connections()[0].has == frozenset()


def test_the_system_may_use_only_what_is_available_to_it(make_secret, mail_settings):
    mail_settings(host="relay.example.com")
    make_secret("Private")
    make_secret("Shared", system=True)
    usable = [c.name for c in vault.connections() if vault.usable_by(c, None)]
    assert usable == ["environment", "Shared"]


def test_people_may_use_their_own_their_groups_and_the_systems(make_secret, owner, teammate, stranger, admin, team):
    make_secret("Private")
    make_secret("Of the team", groups=[team])
    make_secret("Of the system", system=True)

    def names(user):
        return [c.name for c in vault.connections() if vault.usable_by(c, user)]

    assert names(owner) == ["Private", "Of the team", "Of the system"]
    assert names(teammate) == ["Of the team", "Of the system"]
    assert names(stranger) == ["Of the system"]
    assert names(admin) == ["Private", "Of the team", "Of the system"]


def test_an_inactive_account_cannot_use_its_own_secrets(make_secret):
    gone = make_user("gone@example.com", is_active=False, is_superuser=True)
    secret = make_secret(actor=gone)
    assert not vault.usable_by(vault.connection(secret), gone)


def test_a_stored_password_is_revealed_as_it_was_typed(make_secret):
    for number, password in enumerate(["plain", " spaces around ", "Grüße 🔑", "ö" * 1000, '"quoted"\\']):
        secret = make_secret(f"Relay {number}", password=password)
        assert reveal.reveal(str(secret.pk)) == {"password": password}


def test_a_secret_that_is_not_there_is_gone(db):
    for wrong in ["", "0", "999999", "-1", "1.5", "abc", "9" * 40, "²", "1 OR 1=1"]:
        with case(wrong), pytest.raises(vault.SecretGone):
            reveal.reveal(wrong)


def test_the_database_holds_no_readable_password(secret):
    token = SecretValue.objects.get().ciphertext
    assert "first-password" not in token
    assert "first-password" not in json.dumps(Secret.objects.values_list("fields", flat=True)[0])


def test_a_lost_key_is_reported_with_the_secret_and_the_right_key_makes_it_readable(secret, other_key, settings):
    before = other_key()
    with pytest.raises(vault.SecretUnreadable) as caught:
        reveal.reveal(str(secret.pk))
    assert "“Relay” cannot be decrypted with the keys in use" in str(caught.value)
    assert "SECRETS_KEYS" in str(caught.value)
    assert vault.unreadable(vault.connections()[0]) == ["password"]
    settings.SECRETS_KEYS = (*settings.SECRETS_KEYS, *before)
    assert reveal.reveal(str(secret.pk)) == {"password": "first-password"}
    assert vault.unreadable(vault.connections()[0]) == []


def test_a_ciphertext_moved_to_another_secret_is_refused(make_secret):
    victim, thief = make_secret("Victim", password="stolen"), make_secret("Thief")
    stolen = SecretValue.objects.get(secret=victim).ciphertext
    SecretValue.objects.filter(secret=thief).update(ciphertext=stolen)
    with pytest.raises(vault.SecretUnreadable):
        reveal.reveal(str(thief.pk))


def test_a_ciphertext_moved_to_another_field_is_refused(secret):
    SecretValue.objects.update(field="token")
    with pytest.raises(vault.SecretUnreadable):
        reveal.reveal(str(secret.pk))


def test_a_column_that_holds_no_token_is_unreadable(secret):
    for text in ["", "garbage", "gAAAAA", "ü", "\x00", "x" * 100_000]:
        with case(text):
            value = SecretValue.objects.get()
            value.ciphertext = text
            with pytest.raises(encryption.DecryptionFailed):
                encryption.decrypt_value(secret.pk, "password", value.ciphertext)


def test_a_token_with_another_content_is_unreadable(settings):
    for plaintext in ["null", "[]", "7", '["a"]', '[1, "password", 5]', "not json", '{"a": 1, "b": 2}']:
        with case(plaintext):
            token = Fernet(settings.SECRETS_KEYS[0]).encrypt(plaintext.encode()).decode()
            with pytest.raises(encryption.DecryptionFailed) as caught:
                encryption.decrypt_value(1, "password", token)
            assert caught.value.__cause__ is None


def test_an_unreadable_secret_names_no_key_and_no_cause(secret, other_key):
    other_key()
    with pytest.raises(vault.SecretUnreadable) as caught:
        reveal.reveal(str(secret.pk))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_values_and_server_stay_out_of_the_representation(secret, mail_settings):
    mail_settings(host="relay.example.com", username="u", password="env-password")
    text = repr(vault.connections()) + repr(list(SecretValue.objects.all())) + repr(list(Secret.objects.all()))
    assert "password'" in text  # that one is stored
    for hidden in ("first-password", "env-password", "gAAAA"):
        assert hidden not in text
