"""`manage.py rebuild_rollups`: the sums behind the overview, made anew from the log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from maillog.statistics import rebuild


class Command(BaseCommand):
    """Exit 0: done; 1: somebody else is at it."""

    help = (
        "Count the mail log anew for the overview. Mails may be sent meanwhile. What was removed from the log is not "
        "counted any more, so do it only if the figures are wrong or missing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild, and say how far it is."""
        shown = options["verbosity"] > 1
        try:
            count = rebuild.rebuild(lambda done: self.stdout.write(f"{done} mails") if shown else None)
        except rebuild.RebuildInProgressError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} mails of the last 40 days are counted.")
