"""Creates contents and bundles without a database."""

from __future__ import annotations

from typing import Any

from templates_app.content.content import Content, from_json
from templates_app.engine.engine import Bundle


def content_of(
    *,
    html: str = "",
    text: str = "",
    subject: str = "",
    variables: list[dict[str, Any]] | None = None,
    **languages: Any,
) -> Content:
    """Return content in English and in more languages: ``de={"html": ...}``."""
    texts: dict[str, Any] = {"en": {"html": html, "text": text, "subject": subject}, **languages}
    return from_json({"languages": texts, "variables": variables or []})


def bundle_of(html: str = "", *, subject: str = "Hi", text: str = "", variables: str = "", **more: Any) -> Bundle:
    """Return a bundle ``test/mail``; `variables` names text variables, `parts` has contents by key."""
    declared = [{"name": name} for name in variables.split()]
    shared = more.pop("shared", {"brand_name": "Brand", "base_url": "https://example.com"})
    parts = more.pop("parts", {})
    declared += more.pop("declared", [])
    content = content_of(html=html, subject=subject, text=text, variables=declared, **more)
    return Bundle(key="test/mail", content=content, parts=parts, shared=shared)
