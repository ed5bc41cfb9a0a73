"""`manage.py prune_maillog [--dry-run]`: delete what has expired under the retention rules, or show what would be."""

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
        "Delete content and messages that have expired under the retention rules (page /log/retention/). Workers do "
        "this once an hour; run it from cron if there is no worker. Waiting messages are never deleted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        dry = options["dry_run"]
        done = pruning.preview(now=timezone.now()) if dry else pruning.prune_now()
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "dry_run": dry,
                        "bodies": done.bodies,
                        "rows": done.rows,
                        "audit_events": done.audit_events,
                        "records": done.records,
                    }
                )
            )
            return
        verb = "would be deleted" if dry else "deleted"
        for status in Status:
            bodies, rows = done.bodies.get(status, 0), done.rows.get(status, 0)
            if bodies or rows:
                self.stdout.write(f"{status.label}: {bodies} bodies, {rows} rows {verb}.")
        self.stdout.write(
            f"All: {sum(done.bodies.values())} bodies, {sum(done.rows.values())} rows, "
            f"{done.audit_events} audit events {verb}."
        )
        if done.records:
            self.stdout.write(f"{done.records} records deleted from the file of the driver log.")
