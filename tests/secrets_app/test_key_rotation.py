"""Key rotation with `manage.py rotate_secrets`."""

import io
import json

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command, execute_from_command_line

from secrets_app import key_rotation, reveal
from secrets_app.encryption import decrypt_value, encrypt_value
from secrets_app.models import SecretEvent, SecretValue

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def new_key(settings):
    """Put a new key in front of the old ones, under which everything is stored so far."""
    settings.SECRETS_KEYS = (Fernet.generate_key().decode(), *settings.SECRETS_KEYS)


def run(**options):
    out = io.StringIO()
    call_command("rotate_secrets", stdout=out, **options)
    return out.getvalue()


def test_afterwards_the_new_key_alone_is_enough(make_secret, settings):
    secrets = [make_secret(f"Relay {number}", password=f"password {number}") for number in range(5)]
    new = Fernet.generate_key().decode()
    settings.SECRETS_KEYS = (new, *settings.SECRETS_KEYS)
    run()
    settings.SECRETS_KEYS = (new,)
    for number, secret in enumerate(secrets):
        assert reveal.reveal(str(secret.pk)) == {"password": f"password {number}"}


def test_it_counts_and_a_second_run_does_nothing(secret, make_secret, new_key):
    SecretEvent.objects.all().delete()
    make_secret("Later")
    assert json.loads(run(json=True)) == {"rotated": 1, "current": 1, "unreadable": []}
    tokens = list(SecretValue.objects.values_list("ciphertext", flat=True))
    assert json.loads(run(json=True)) == {"rotated": 0, "current": 2, "unreadable": []}
    assert list(SecretValue.objects.values_list("ciphertext", flat=True)) == tokens
    rotated = SecretEvent.objects.filter(action="rotated")
    assert [(event.secret, event.actor_name, event.changed) for event in rotated] == [(secret, "", ["password"])]


def test_a_value_that_no_key_decrypts_is_named_left_unchanged_and_exits_1(make_secret, new_key):
    lost = make_secret("Lost")
    SecretValue.objects.filter(secret=lost).update(ciphertext="gone")
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("rotate_secrets", json=True, stdout=out)
    assert caught.value.returncode == 1
    assert json.loads(out.getvalue())["unreadable"] == [{"secret": lost.pk, "name": "Lost", "field": "password"}]
    assert SecretValue.objects.get(secret=lost).ciphertext == "gone"
    with pytest.raises(CommandError, match="cannot be decrypted"):
        run()


def test_rotation_does_not_make_a_moved_ciphertext_valid(make_secret, new_key):
    victim, thief = make_secret("Victim"), make_secret("Thief")
    stolen = SecretValue.objects.get(secret=victim).ciphertext
    SecretValue.objects.filter(secret=thief).update(ciphertext=stolen)
    result = key_rotation.rotate()
    assert [lost.secret for lost in result.unreadable] == [thief.pk]
    assert SecretValue.objects.get(secret=thief).ciphertext == stolen


def test_batches_reach_every_value(make_secret, settings):
    for number in range(7):
        make_secret(f"Relay {number}")
    settings.SECRETS_KEYS = (Fernet.generate_key().decode(), *settings.SECRETS_KEYS)
    assert key_rotation.rotate(batch=3).rotated == 7


def test_a_password_replaced_meanwhile_is_not_overwritten(secret, new_key, monkeypatch):
    def replaced_meanwhile(secret_id, field, token):
        plain = decrypt_value(secret_id, field, token)
        SecretValue.objects.update(ciphertext=encrypt_value(secret_id, field, "newer"))
        return plain

    monkeypatch.setattr(key_rotation, "decrypt_value", replaced_meanwhile)
    assert key_rotation.rotate() == key_rotation.Rotation(rotated=0, current=1)
    assert reveal.reveal(str(secret.pk)) == {"password": "newer"}
    assert not SecretEvent.objects.filter(action="rotated").exists()


def test_nothing_stored_is_nothing_to_do(db):
    assert run() == "0 encrypted with the first key, 0 already were.\n"


def test_wrong_use_exits_2():
    with pytest.raises(SystemExit) as caught:
        execute_from_command_line(["manage.py", "rotate_secrets", "--wrong"])
    assert caught.value.code == 2
