"""Finds the page of a version by the key and number in a record of the mail log."""

from __future__ import annotations

from django.urls import reverse

from templates_app.content.content import key_parts
from templates_app.models import Document, Version


def version_url(key: str, number: int) -> str:
    """Return the address of the page of version `number` of the template `key`, "" if it does not exist (any more)."""
    parts = key_parts(key)
    if parts is None:
        return ""
    project, name = parts
    kind = Document.Kind.TEMPLATE.value
    there = Version.objects.filter(
        document__project__key=project, document__kind=kind, document__key=name, number=number
    ).exists()
    return reverse("templates_app:version", args=[project, kind, name, number]) if there else ""
