"""Django's cache in the database, so that all processes of all machines count together. Values are JSON.

Django's own backend pickles, with which write access to the database would be enough to run code here; it needs a table
that ``migrate`` does not create, and does not count atomically.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import IntegrityError, transaction
from django.utils import timezone

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
CLEAN_UP = 50  # of so many writes one removes what has expired, on average


class SharedCache(BaseCache):
    """A row of `users.models.CacheEntry` for each key."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    @property
    def entries(self) -> Any:
        from users.models import CacheEntry  # noqa: PLC0415  (settings name this class before apps are loaded)

        return CacheEntry.objects

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        found = self._live(key, version).values_list("value", flat=True).first()
        return default if found is None else json.loads(found)

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        row = self.entries.model(key=self._key(key, version), value=json.dumps(value), expires_at=self._end(timeout))
        self.entries.bulk_create(
            [row], update_conflicts=True, unique_fields=["key"], update_fields=["value", "expires_at"]
        )
        if random.randrange(CLEAN_UP) == 0:  # noqa: S311  (not for security)
            self.entries.filter(expires_at__lte=timezone.now()).delete()

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Store the value unless there is one. Of several that add at the same time one gets True."""
        new = {"value": json.dumps(value), "expires_at": self._end(timeout)}
        name = self._key(key, version)
        if self.entries.filter(key=name, expires_at__lte=timezone.now()).update(**new):
            return True
        try:
            with transaction.atomic():
                self.entries.create(key=name, **new)
        except IntegrityError:
            return False
        return True

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add to a number, which expires as before. Raises ValueError if there is none."""
        with transaction.atomic():
            row = self._live(key, version).select_for_update().first()
            if row is None:
                message = f"Key {key!r} not found"
                raise ValueError(message)
            count = int(json.loads(row.value)) + delta
            row.value = json.dumps(count)
            row.save(update_fields=["value"])
        return count

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._live(key, version).update(expires_at=self._end(timeout)))

    def delete(self, key: str, version: int | None = None) -> bool:
        return bool(self._live(key, version).delete()[0])

    def clear(self) -> None:
        self.entries.all().delete()

    def _key(self, key: str, version: int | None) -> str:
        return self.make_and_validate_key(key, version=version)

    def _live(self, key: str, version: int | None) -> Any:
        return self.entries.filter(key=self._key(key, version), expires_at__gt=timezone.now())

    def _end(self, timeout: Any) -> datetime:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return FOREVER if seconds is None else timezone.now() + timedelta(seconds=seconds)


class JsonSerializer:
    """For Django's Redis backend, in place of pickle. Numbers stay numbers: Redis counts them."""

    def dumps(self, value: Any) -> Any:
        return value if type(value) is int else json.dumps(value)

    def loads(self, data: bytes) -> Any:
        return json.loads(data)
