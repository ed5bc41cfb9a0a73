"""Who may let mail of the system, such as password resets, leave through a secret.

The person who stores a secret decides where it leads. If that alone let mail of the system take it, anyone who may
store secrets could read an administrator's password reset. So it takes a permission that a higher app names.
"""

from __future__ import annotations

from typing import Protocol


class PermissionHolder(Protocol):
    """What is asked of an account."""

    @property
    def is_active(self) -> bool: ...
    @property
    def is_superuser(self) -> bool: ...
    def has_perm(self, perm: str) -> bool: ...


_permissions: list[str] = []


def register_system_access_permission(permission: str) -> None:
    """Let holders of `permission` (``app.codename``) make secrets available to the system, and change those that are.

    Until one is registered, only administrators may.
    """
    if permission not in _permissions:
        _permissions.append(permission)


def may_give_system_access(user: PermissionHolder | None) -> bool:
    """Whether `user` may; None is the system itself."""
    return user is None or (user.is_active and any(map(user.has_perm, _permissions))) or user.is_superuser
