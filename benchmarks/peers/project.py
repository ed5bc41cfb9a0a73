"""The Django project of a peer. Its database, scratch folder and mail server come from the environment.

SQLite has the same settings as ours (config/settings.py): the same durability, and two processes do not block each
other. PostgreSQL is the same server.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings

SCRATCH = Path(os.environ["BENCH_FOLDER"])


def set_up(*apps: str, **more: Any) -> None:
    """Set Django up with the peer's `apps` and settings."""
    given = dict(  # noqa: C408  (as settings are written)
        INSTALLED_APPS=["django.contrib.contenttypes", *apps],
        DATABASES={"default": database(os.environ["DATABASE_URL"])},
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(os.environ["BENCH_PORT"]),
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        # Silent: logging each message or batch takes time, and is not read here.
        LOGGING={
            "version": 1,
            "handlers": {"none": {"class": "logging.NullHandler"}},
            "loggers": {
                name: {"handlers": ["none"], "level": "WARNING", "propagate": False}
                for name in ("post_office", "mailer")
            },
        },
    )
    settings.configure(**{**given, **more})
    django.setup()


def database(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.removeprefix("sqlite:///"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;"
                    "PRAGMA mmap_size=1073741824; PRAGMA wal_autocheckpoint=4000"
                ),
            },
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname or "",
        "PORT": parts.port or 5432,
        "CONN_MAX_AGE": 60,
    }
