"""Sessions in the database, of which only keys that were made here are asked for."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

from prepared import Prepared, moment

KEY = re.compile(r"[a-z0-9]{32}")  # as Django makes them


class SessionStore(DatabaseStore):
    """Django's store. A cookie can hold anything; PostgreSQL refuses a NUL, for one, with an error."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Return whether `key` can be one of ours; otherwise the session is a new one."""
        return bool(key and KEY.fullmatch(key))

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        """Return the session, which every page asks for; without one, forget the key as Django's store does."""
        found = RUNNING.first(self.session_key, moment(timezone.now()))
        if found is None:
            self._session_key = None
        return found


RUNNING: Prepared[AbstractBaseSession] = Prepared(
    lambda key, now: SessionStore.get_model_class().objects.filter(session_key=key, expire_date__gt=now)
)
