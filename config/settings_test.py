"""Settings for tests: independent of ``.env`` and ``var/``, with plain static files and a cheap password hash."""

import os
import re
import tempfile
from pathlib import Path

# Blank counts as unset and overrides .env: the tests see none of this machine's settings except the two stores.
_kept = {"DATABASE_URL", "QUEUE_URL"}
_example = (Path(__file__).resolve().parent.parent / ".env.example").read_text(encoding="utf-8")
for _name in re.findall(r"^#?([A-Z][A-Z_]+)=", _example, re.MULTILINE):
    os.environ[f"{_name}_FILE"] = ""
    if _name not in _kept:
        os.environ[_name] = ""

_scratch = tempfile.TemporaryDirectory(prefix="mailadmin-test-")
os.environ["DATABASE_URL"] = os.environ.get("DATABASE_URL") or f"sqlite:///{_scratch.name}/app.sqlite3"
os.environ["QUEUE_URL"] = os.environ.get("QUEUE_URL") or f"sqlite:///{_scratch.name}/queue.sqlite3"
os.environ["MAIL_LOG_FILE"] = f"{_scratch.name}/mail.log"
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
os.environ["SECRETS_KEYS"] = "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMTI="

from config.settings import *  # noqa: E402, F403

VAR_DIR = Path(_scratch.name)
MAIL_PROCESS_DIR = Path(_scratch.name) / "processes"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}  # emptied after each test
RESET_SECONDS = 0.0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = Path(tempfile.mkdtemp(dir=_scratch.name))  # must exist
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, not memory: threads then have connections of their own that lock each other as in production.
    DATABASES["default"]["TEST"] = {"NAME": f"{_scratch.name}/test.sqlite3"}  # noqa: F405
