"""`manage.py rotate_secrets`, to be run after a new key was added in front of SECRETS_KEYS."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from secrets_app.key_rotation import rotate


class Command(BaseCommand):
    """Exit status: 0 every value is encrypted with the first key, 1 some cannot be decrypted, 2 usage error."""

    help = "Encrypt every stored secret with the first key of SECRETS_KEYS."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")

    def handle(self, **options: Any) -> None:
        """Rotate and report. Raises CommandError (exit status 1) if some values cannot be decrypted."""
        result = rotate()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(result), ensure_ascii=False))
        else:
            self.stdout.write(f"{result.rotated} encrypted with the first key, {result.current} already were.")
            for lost in result.unreadable:
                what = f"{lost.field} of “{lost.name}” (secret {lost.secret})" if lost.secret else lost.name
                self.stdout.write(f"Cannot be decrypted: {what}. Left unchanged.")
        if result.unreadable:
            message = (
                f"{len(result.unreadable)} values cannot be decrypted with the keys in use. Add the key they were "
                "encrypted with to SECRETS_KEYS and run this again, or enter these passwords again."
            )
            raise CommandError(message, returncode=1)
