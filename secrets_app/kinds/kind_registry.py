"""Which kinds of secret there are.

Every module in `secrets_app.kinds` is imported at the start and registers its kind; another app does so in its
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
    """Make a kind known by its `key`; usable as a class decorator.

    Raises ValueError for a key that is malformed or taken by another class.
    """
    if not KEY.fullmatch(form_class.key) or _kinds.get(form_class.key, form_class) is not form_class:
        message = f"{form_class.__name__}: the key {form_class.key!r} is malformed or taken"
        raise ValueError(message)
    _kinds[form_class.key] = form_class
    register_hidden_module(form_class.__module__)
    return form_class


def unregister_kind(key: str) -> None:
    """Forget a kind, if it is known."""
    _kinds.pop(key, None)


def kinds() -> list[type[SecretForm]]:
    """Return every kind in its order."""
    return sorted(_kinds.values(), key=lambda form_class: form_class.order)


def find_kind(key: str) -> type[SecretForm] | None:
    """Return the kind of that key, None for one that is not registered: a secret may outlive its kind."""
    return _kinds.get(key)


def kind_of(key: str) -> type[SecretForm]:
    """Return the kind of that key. Raises KeyError for one that is not registered."""
    return _kinds[key]
