"""The published templates that this process has compiled, dropped as soon as anything they consist of changes.

Every change to what messages say calls `record_change` in its own transaction, which raises `Change.number`. Each
process reads that number once a second.
"""

from __future__ import annotations

import threading
import time

from django.db import transaction

from templates_app.bundles import published_bundle
from templates_app.engine.engine import Bundle, CompiledTemplate
from templates_app.models import Change

CHECK_INTERVAL = 1.0  # seconds between reads of the change number
MAX_TEMPLATES = 500  # compiled by one process


class CompiledCache:
    """The templates compiled since change `number`."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.bundles: dict[str, Bundle] = {}
        self.by_languages: dict[tuple[str, str, str], CompiledTemplate] = {}  # key, language of subject and of body
        self.by_request: dict[tuple[str, str], CompiledTemplate] = {}  # key, requested language

    def compiled(self, key: str, language: str) -> CompiledTemplate:
        """Return the template compiled for `language`. Raises TemplateError."""
        found = self.by_request.get((key, language))
        if found is None:
            bundle = self.bundle(key)
            exact = (key, bundle.content.subject_in(language)[1], bundle.content.body_in(language)[1])
            found = self.by_languages.get(exact)
            if found is None:
                found = CompiledTemplate(bundle, language)
                if len(self.by_languages) >= MAX_TEMPLATES:
                    self.by_languages.clear()
                    self.by_request.clear()
                self.by_languages[exact] = found
            if len(self.by_request) >= 10 * MAX_TEMPLATES:
                self.by_request.clear()
            self.by_request[key, language] = found
        return found

    def bundle(self, key: str) -> Bundle:
        """Return the published template with everything it uses. Raises UnknownTemplateError."""
        found = self.bundles.get(key)
        if found is None:
            found = published_bundle(key)
            if len(self.bundles) >= MAX_TEMPLATES:
                self.bundles.clear()
            self.bundles[key] = found
        return found


class OwnChange(threading.local):
    """The number of this thread's own change, in a transaction that may still be open; 0 if none."""

    number = 0


_cache = CompiledCache(-1)
_checked_at = float("-inf")
_own_change = OwnChange()
_lock = threading.Lock()


def current_cache() -> CompiledCache:
    """Return the cache of this process, empty if anything has changed since the last check.

    A thread with a change of its own that is not committed gets a cache of its own: other threads must not see it.
    """
    global _cache, _checked_at
    if _own_change.number:
        if transaction.get_connection().in_atomic_block and change_number() == _own_change.number:
            return CompiledCache(_own_change.number)
        _own_change.number = 0  # committed or rolled back
    now = time.monotonic()
    if now - _checked_at < CHECK_INTERVAL:
        return _cache
    number = change_number()  # read before any content, so that no content is older than its number
    with _lock:
        if number != _cache.number:
            _cache = CompiledCache(number)
        _checked_at = now
        return _cache


def change_number(*, lock: bool = False) -> int:
    """Return the number of the last change, 0 if there was none.

    With `lock`, nobody else can publish, delete or change shared values until the current transaction ends.
    """
    if lock:
        return Change.objects.select_for_update().get_or_create(pk=1)[0].number
    return Change.objects.values_list("number", flat=True).first() or 0


def record_change() -> None:
    """Record a change to what messages say, in the same transaction. Other processes notice within 2 s."""
    with transaction.atomic():
        change, _ = Change.objects.select_for_update().get_or_create(pk=1)
        # Never reuse a number that was rolled back, or what was cached under it would come back.
        change.number = max(change.number + 1, time.time_ns() // 1000)
        change.save(update_fields=["number"])
    if transaction.get_connection().in_atomic_block:
        _own_change.number = change.number
    transaction.on_commit(expire_cache)


def expire_cache() -> None:
    """Make the next rendering read the change number at once."""
    global _checked_at
    _checked_at = float("-inf")
    _own_change.number = 0
