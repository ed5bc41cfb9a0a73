"""`manage.py prune_maillog [--dry-run]`: remove what is too old by the rules of retention, or say what would go."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from maillog.models import Status
from maillog.retention import pruning


class Command(BaseCommand):
    """Exit 0: done."""

    help = (
        "Remove bodies and rows of mails that are older than the rules of retention say (page /log/retention/). The "
        "worker does it once an hour; run this from cron where there is none. Mails that wait are never touched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--dry-run", action="store_true", help="only count what would be removed")
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Remove or count."""
        dry = options["dry_run"]
        done = pruning.preview(now=timezone.now()) if dry else pruning.prune_now()
        if options["json"]:
            self.stdout.write(
                json.dumps({"dry_run": dry, "bodies": done.bodies, "rows": done.rows, "trail": done.trail})
            )
            return
        verb = "would be removed" if dry else "removed"
        for status in Status:
            bodies, rows = done.bodies.get(status, 0), done.rows.get(status, 0)
            if bodies or rows:
                self.stdout.write(f"{status.label}: {bodies} bodies, {rows} rows {verb}.")
        self.stdout.write(
            f"All: {sum(done.bodies.values())} bodies, {sum(done.rows.values())} rows, "
            f"{done.trail} lines of the trail {verb}."
        )
