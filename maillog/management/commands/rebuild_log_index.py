"""`manage.py rebuild_log_index`: the search index of the log, made anew from its rows."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from maillog.index import writing


class Command(BaseCommand):
    """Exit 0: done."""

    help = (
        "Make the search index of the mail log anew, newest mails first. Mails may be sent meanwhile; until it is "
        "done, searches for words do not find the older ones."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild, and say how far it is."""
        shown = options["verbosity"] > 1
        count = writing.rebuild(lambda done: self.stdout.write(f"{done} mails") if shown else None)
        self.stdout.write(f"The index has {count} mails.")
