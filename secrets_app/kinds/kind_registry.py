"""The registry of kinds of secret.

Every module in `secrets_app.kinds` is imported at startup and registers its kind. Another app registers its kinds in
`AppConfig.ready`.
"""

from __future__ import annotations

import re
from typing import TypeVar

from secrets_app.kinds.base import SecretForm
from secrets_app.redaction import register_hidden_module

Kind = TypeVar("Kind", bound=type[SecretForm])

KEY = re.compile(r"[a-z][a-z0-9_-]{0,29}")

_kinds: dict[str, type[SecretForm]] = {}


def register_kind(form_class: Kind) -> Kind:
    """Register a kind under its `key`. Usable as a class decorator.

    Raises ValueError for a key that is malformed or taken by another class.
    """
    if not KEY.fullmatch(form_class.key) or _kinds.get(form_class.key, form_class) is not form_class:
        message = f"{form_class.__name__}: the key {form_class.key!r} is malformed or taken"
        raise ValueError(message)
    _kinds[form_class.key] = form_class
    register_hidden_module(form_class.__module__)
    return form_class


def unregister_kind(key: str) -> None:
    """Remove a kind, if it is registered."""
    _kinds.pop(key, None)


def kinds() -> list[type[SecretForm]]:
    """Return all kinds, sorted by `order`."""
    return sorted(_kinds.values(), key=lambda form_class: form_class.order)


def find_kind(key: str) -> type[SecretForm] | None:
    """Return the kind, or None if it is not registered: a secret may outlive its kind."""
    return _kinds.get(key)


def kind_of(key: str) -> type[SecretForm]:
    """Return the kind. Raises KeyError if it is not registered."""
    return _kinds[key]
