"""Sets Django up on scratch databases, independent of ``var/`` and ``.env``."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

from config.environment.reader import MailEnvironment


def set_up(**mail: Any) -> Path:
    """Set Django up on a new, migrated database, with `mail` as the MAIL_* variables; return the scratch folder."""
    folder = Path(tempfile.mkdtemp(prefix="mailadmin-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings_test",
        DATABASE_URL=f"sqlite:///{folder}/bench.sqlite3",
        QUEUE_URL=f"sqlite:///{folder}/queue.sqlite3",
    )
    django.setup()
    settings.MAIL = MailEnvironment(log_file=folder / "mail.log", **mail)
    call_command("migrate", verbosity=0)
    return folder
