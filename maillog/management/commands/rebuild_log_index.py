"""`manage.py rebuild_log_index`: rebuild the search index of the log from its rows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from maillog.index import writing


class Command(BaseCommand):
    """Exit 0: done."""

    help = (
        "Rebuild the search index of the mail log, newest messages first. Sending may continue; until it is done, "
        "searches for words do not find older messages."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        shown = options["verbosity"] > 1
        count = writing.rebuild(lambda done: self.stdout.write(f"{done} messages") if shown else None)
        self.stdout.write(f"Messages in the index: {count}.")
