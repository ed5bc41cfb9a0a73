"""``manage.py ensure_admin``: the first administrator without a browser."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from users.setup import AdminRefused, ensure_admin


class Command(BaseCommand):
    """Creates the administrator of MAILADMIN_ADMIN_EMAIL once."""

    help = (
        "Creates the administrator that MAILADMIN_ADMIN_EMAIL and MAILADMIN_ADMIN_PASSWORD describe, unless there ever "
        "was an account. Existing accounts are never changed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was done. Raises CommandError (exit 1) for a password that is too weak."""
        try:
            user = ensure_admin()
        except AdminRefused as error:
            raise CommandError(str(error)) from error
        if user:
            self.stdout.write(f"Administrator {user.email} was created.")
