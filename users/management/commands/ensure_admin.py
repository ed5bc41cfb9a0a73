"""``manage.py ensure_admin``: the first administrator without a browser."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from users.setup import AdminRefused, ensure_admin, is_done, link_with_token


class Command(BaseCommand):
    """Creates the administrator of MAILADMIN_ADMIN_EMAIL once."""

    help = (
        "Creates the administrator that MAILADMIN_ADMIN_EMAIL and MAILADMIN_ADMIN_PASSWORD describe, unless there ever "
        "was an account. Existing accounts are never changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="do not print the address of the set-up page")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what was done. Raises CommandError (exit 1) for a password that is too weak."""
        try:
            user = ensure_admin()
        except AdminRefused as error:
            raise CommandError(str(error)) from error
        if user:
            self.stdout.write(f"Administrator {user.email} was created.")
        elif not is_done() and not options["quiet"]:
            self.stdout.write(f"Create the first administrator at {link_with_token()}")
