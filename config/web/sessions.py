"""Sessions in the database; only keys that can have been made here are looked up."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

KEY = re.compile(r"[a-z0-9]{32}")  # as Django makes them


class SessionStore(DatabaseStore):
    """Django's store. A cookie can hold anything; PostgreSQL refuses a NUL, for one, with an error."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Return whether `key` can be one of ours; otherwise the session is a new one."""
        return bool(key and KEY.fullmatch(key))
