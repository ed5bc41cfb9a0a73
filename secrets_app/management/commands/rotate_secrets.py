"""`manage.py rotate_secrets`: after a new key was put first into SECRETS_KEYS."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from secrets_app.key_rotation import rotate


class Command(BaseCommand):
    """Exit 0: every value is under the first key. 1: some are unreadable and were left alone. 2: wrong use."""

    help = "Encrypt every stored secret with the first key of SECRETS_KEYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--json``."""
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")

    def handle(self, **options: Any) -> None:
        """Rotate and report. Raises CommandError (exit 1) if some values are unreadable."""
        result = rotate()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(result), ensure_ascii=False))
        else:
            self.stdout.write(f"{result.rotated} encrypted with the first key, {result.current} were already.")
            for lost in result.unreadable:
                self.stdout.write(f"Cannot be read: {lost.field} of “{lost.name}” (secret {lost.secret}). Left alone.")
        if result.unreadable:
            message = (
                f"{len(result.unreadable)} values cannot be read with the keys in use. Add the key they were encrypted "
                "with to SECRETS_KEYS and run this again, or type these passwords again."
            )
            raise CommandError(message, returncode=1)
