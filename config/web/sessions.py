"""Sessions in the database; only keys in Django's own format are looked up."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

KEY = re.compile(r"[a-z0-9]{32}")  # as Django generates them


class SessionStore(DatabaseStore):
    """Django's store. A cookie can contain anything; for a NUL character, PostgreSQL would raise an error."""

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and KEY.fullmatch(key))
