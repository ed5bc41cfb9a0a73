"""Sessions in the database, of which only keys that were made here are asked for."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

KEY = re.compile(r"[a-z0-9]{32}")  # as Django makes them


class SessionStore(DatabaseStore):
    """Django's store. A cookie can hold anything; PostgreSQL refuses a NUL, for one, with an error."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Return whether `key` can be one of ours; otherwise the session is a new one."""
        return bool(key and KEY.fullmatch(key))
