"""Executes config/settings.py afresh with given variables, in this process."""

import re
import runpy
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parents[2]
EXAMPLE = (BASE_DIR / ".env.example").read_text(encoding="utf-8")
# Every variable of .env.example with the default that is written there.
DEFAULTS = dict(re.findall(r"^#([A-Z][A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))

SECRET_KEY = "k" * 40
SECRETS_KEYS = "b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMTI="


def start(monkeypatch, folder: Path, **variables: str) -> dict[str, Any]:
    """Return what the settings module holds. All stores are in `folder`; whatever is not given is unset."""
    stores = {
        "SECRET_KEY": SECRET_KEY,
        "SECRETS_KEYS": SECRETS_KEYS,
        "DATABASE_URL": f"sqlite:///{folder}/app.sqlite3",
        "QUEUE_URL": f"sqlite:///{folder}/queue.sqlite3",
    }
    unset = {key: "" for name in DEFAULTS for key in (name, f"{name}_FILE")}
    needed = {name: value for name, value in stores.items() if f"{name}_FILE" not in variables}
    for name, value in {**unset, **needed, **variables}.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(BASE_DIR / "config" / "settings.py"), run_name="config.settings_afresh")
