import subprocess
import sys
import threading
import time

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config.environment.key_files import stored_fernet_keys, stored_secret_key
from tests.config.starting import BASE_DIR, SECRETS_KEYS, start


def test_both_keys_are_made_once_readable_by_their_owner_alone(tmp_path):
    signing, vault = tmp_path / "var" / "secret.key", tmp_path / "var" / "secrets.key"
    first = (stored_secret_key(signing), stored_fernet_keys(vault))
    assert (stored_secret_key(signing), stored_fernet_keys(vault)) == first
    assert len(first[0]) >= 50
    Fernet(first[1][0])
    assert [oct(path.stat().st_mode & 0o777) for path in (signing, vault)] == ["0o600", "0o600"]
    assert sorted(path.name for path in (tmp_path / "var").iterdir()) == ["secret.key", "secrets.key"]


def test_two_installations_get_different_keys(tmp_path):
    assert stored_secret_key(tmp_path / "a") != stored_secret_key(tmp_path / "b")
    assert stored_fernet_keys(tmp_path / "c") != stored_fernet_keys(tmp_path / "d")


def test_two_processes_that_start_together_get_the_same_key(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from config.environment.key_files import stored_secret_key\n"
        "Path(sys.argv[1], f'ready-{sys.argv[2]}').touch()\n"
        "while not Path(sys.argv[1], 'go').exists(): time.sleep(0.001)\n"
        "print(stored_secret_key(Path(sys.argv[1], 'secret.key')))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(number)], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True
        )
        for number in range(2)
    ]
    while len(list(tmp_path.glob("ready-*"))) < 2:
        time.sleep(0.005)
    (tmp_path / "go").touch()
    first, second = (racer.communicate(timeout=120)[0].strip() for racer in racers)
    assert first == second == (tmp_path / "secret.key").read_text().strip()


def test_eight_threads_race_fifty_times_and_agree(tmp_path):
    for round_number in range(50):
        path = tmp_path / str(round_number) / "key"
        barrier = threading.Barrier(8)
        seen = []

        def race(path=path, barrier=barrier, seen=seen):
            barrier.wait()
            seen.append(stored_fernet_keys(path))

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 8
        assert len(set(seen)) == 1


@pytest.mark.parametrize("text", ["", "canary-7f3a", f"{SECRETS_KEYS},canary-7f3a"])
def test_a_spoilt_key_file_stops_the_start_naming_the_file_not_the_key(tmp_path, text):
    path = tmp_path / "secrets.key"
    path.write_text(text)
    with pytest.raises(ImproperlyConfigured, match=r"secrets\.key: the key file ") as caught:
        stored_fernet_keys(path)
    assert "canary" not in str(caught.value)
    assert path.read_text() == text, "a spoilt key must stay for its owner to mend"


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match="cannot be read or created: File exists"):
        stored_secret_key(tmp_path / "file" / "secret.key")
    assert not list(tmp_path.glob("*/*"))


def test_given_keys_are_used_and_the_first_one_encrypts(monkeypatch, tmp_path):
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    assert start(monkeypatch, tmp_path, SECRETS_KEYS=f"{keys[0]} , {keys[1]}")["SECRETS_KEYS"] == tuple(keys)
