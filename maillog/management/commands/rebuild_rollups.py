"""`manage.py rebuild_rollups`: rebuild the statistics of the overview from the log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from maillog.statistics import rebuild


class Command(BaseCommand):
    """Exit 0: done; 1: another process is rebuilding."""

    help = (
        "Rebuild the statistics of the overview from the mail log. Sending may continue. Deleted messages are no "
        "longer counted afterwards, so use this only if figures are wrong or missing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        shown = options["verbosity"] > 1
        try:
            count = rebuild.rebuild(lambda done: self.stdout.write(f"{done} messages") if shown else None)
        except rebuild.RebuildInProgressError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Messages counted, of the last 40 days: {count}.")
