"""Finds the static files of the apps, without those of a package that no page loads.

django-ace brings 12 MB of modes, themes and workers for Ace, of which the template editor loads a few. To collect, hash
and compress the rest would take longer than everything else at the first start.
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
    "django_ace/ace/css/main-*",  # the pictures that it names
)


class AppFinder(AppDirectoriesFinder):
    """Django's finder, but of a large package only what is loaded."""

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Any]]:
        """Yield the path and storage of every file."""
        for path, storage in super().list(ignore_patterns):
            if not path.startswith(LARGE) or any(fnmatch(path, pattern) for pattern in LOADED):
                yield path, storage
