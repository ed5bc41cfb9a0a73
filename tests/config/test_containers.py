"""What gets into an image and what reaches the repository, as `docs/compose.yaml` builds it."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.config.starting import BASE_DIR

COMPOSE = yaml.safe_load((BASE_DIR / "docs" / "compose.yaml").read_text())


def test_the_secrets_lie_outside_the_tree():
    places = [
        Path(secret["file"].replace("${MAILADMIN_SECRETS:-/etc/mailadmin}", "/etc/mailadmin"))
        for secret in COMPOSE["secrets"].values()
    ]
    assert len(places) == 4
    assert {str(place.parent) for place in places} == {"/etc/mailadmin"}


def test_an_image_gets_the_program_and_nothing_else():
    lines = [line for line in (BASE_DIR / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*", "what is not named stays out"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert let_in == {
        "config",
        "mailadmin",
        "maillog",
        "secrets_app",
        "templates_app",
        "users",
        "requirements",
        "manage.py",
    }
    for name in let_in:
        assert (BASE_DIR / name).exists()


@pytest.mark.parametrize(
    "path", ["docs/secrets/secret_key", "secrets/secrets_keys", "var/mailadmin.sqlite3", "db.sqlite3", "my.key", ".env"]
)
def test_git_takes_no_secret(path):
    ignored = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=BASE_DIR, check=False)
    assert ignored.returncode == 0
