"""Makes the people and the settings that tests need."""

from typing import Any

from django.contrib.auth.models import Permission

from users.models import User

PASSWORD = "correct-horse-battery"


def make_user(email: str = "ann@example.com", *permissions: str, **fields: Any) -> User:
    """Return a new account that holds `permissions`, named like ``mailadmin.send_test``. Its password is PASSWORD."""
    user = User.objects.create_user(email, PASSWORD, **fields)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def make_admin(email: str = "admin@example.com", **fields: Any) -> User:
    """Return a new administrator, who may do everything. The password is PASSWORD."""
    return User.objects.create_superuser(email, PASSWORD, **fields)
