import os
import sqlite3
import stat
import subprocess
import sys

import pytest

from config.environment.private_files import protect
from mailadmin.checks import loose_files
from tests.config.starting import BASE_DIR, DEFAULTS, start


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_an_earlier_start_left_open_is_closed(tmp_path):
    var, database, dotenv = tmp_path / "var", tmp_path / "elsewhere.sqlite3", tmp_path / ".env"
    var.mkdir(mode=0o755)
    names = [var / name for name in ("mailadmin.sqlite3", "mailadmin.sqlite3-wal", "secrets.key", "mail.log")]
    names += [database, tmp_path / "elsewhere.sqlite3-shm", dotenv]
    for name in names:
        name.touch(mode=0o644)
    dotenv.chmod(0o644)
    assert protect(var, [database, tmp_path / "absent"], dotenv) == []
    assert mode(var) == 0o700
    assert {name.name: oct(mode(name)) for name in names if name != dotenv} == {
        name.name: "0o600" for name in names if name != dotenv
    }
    assert mode(dotenv) == 0o640, "its group may be the one of the service"
    (var / "new").touch()
    assert mode(var / "new") == 0o600


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    var, other = tmp_path / "var", tmp_path / "other"
    var.mkdir()
    other.touch(mode=0o644)
    (var / "link").symlink_to(other)
    assert protect(var, [], tmp_path / ".env") == []
    assert mode(other) == 0o644


def test_what_belongs_to_another_user_is_named(tmp_path, monkeypatch, settings):
    (tmp_path / "var").mkdir(mode=0o755)

    def refuse(path, new_mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.chmod", refuse)
    settings.LOOSE_FILES = protect(tmp_path / "var", [], tmp_path / ".env")
    assert [str(tmp_path / "var")] == settings.LOOSE_FILES
    (warning,) = loose_files(None)
    assert str(tmp_path / "var") in warning.msg
    assert f"chmod go= {tmp_path / 'var'}" in warning.hint


def test_every_start_protects_its_stores(monkeypatch, tmp_path):
    for name in ("app.sqlite3", "queue.sqlite3", "mail.log"):
        (tmp_path / name).touch(mode=0o644)
    made = start(monkeypatch, tmp_path, MAIL_LOG_FILE=str(tmp_path / "mail.log"))
    assert made["LOOSE_FILES"] == []
    assert {oct(mode(tmp_path / name)) for name in ("app.sqlite3", "queue.sqlite3", "mail.log")} == {"0o600"}


def test_a_database_that_migrate_makes_is_readable_by_its_owner_alone(tmp_path):
    unset = {key: "" for name in DEFAULTS for key in (name, f"{name}_FILE")}
    stores = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/new/app.sqlite3",
        "QUEUE_URL": f"sqlite:///{tmp_path}/new/q.sqlite3",
    }
    program = "import django; django.setup(); from django.db import connection; connection.ensure_connection()"
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=BASE_DIR,
        env={**os.environ, **unset, **stores, "SECRET_KEY": "k" * 40, "DJANGO_SETTINGS_MODULE": "config.settings"},
        check=True,
        timeout=120,
    )
    assert mode(tmp_path / "new") == 0o700
    assert {oct(mode(path)) for path in (tmp_path / "new").iterdir()} == {"0o600"}
    sqlite3.connect(tmp_path / "new" / "app.sqlite3").close()
