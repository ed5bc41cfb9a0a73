"""Finds the static files of the apps, except those of django-ace that no page loads.

django-ace brings 12 MB of modes, themes and workers for Ace, of which the template editor loads a few. Collecting,
hashing and compressing the rest would take longer than everything else at the first start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from typing import Any

from django.contrib.staticfiles.finders import AppDirectoriesFinder

LARGE = "django_ace/"
LOADED = (
    "django_ace/ace/ace.js",
    "django_ace/ace/mode-nunjucks.js",
    "django_ace/ace/ext-searchbox.js",
    "django_ace/ace/css/ace.css",
    "django_ace/ace/css/main-*",  # images that it refers to
)


class AppFinder(AppDirectoriesFinder):
    """Django's finder, restricted to `LOADED` for the large package."""

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Any]]:
        for path, storage in super().list(ignore_patterns):
            if not path.startswith(LARGE) or any(fnmatch(path, pattern) for pattern in LOADED):
                yield path, storage
