"""`manage.py mail_log [QUERY]`: the newest mails of the log, or every new one as it comes."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.http import QueryDict

from maillog.models import Message, Status
from maillog.search import export
from maillog.search.filters import MessageFilter
from maillog.search.results import SearchResult

POLL_SECONDS = 1.0  # seconds between two looks with --follow
MAX_LIMIT = 10_000


class Command(BaseCommand):
    """Exit 0: done (also where nothing matches); 2: wrong use."""

    help = (
        'List mails, newest first. QUERY is what the search box of the log takes: words, "phrases", status:failed, '
        "to:ann@, after:2h, -is:test. Write -- before a query that begins with a minus."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("words", nargs="*", metavar="QUERY", help="what to look for")
        parser.add_argument("--status", choices=Status.values, help="only mails in this state")
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N mails (20)")
        parser.add_argument("--follow", action="store_true", help="go on with every new mail, oldest first")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument("--csv", action="store_true", help="all that match as CSV, as the log's page exports them")

    def handle(self, *args: Any, **options: Any) -> None:
        """List, then follow."""
        if not 1 <= options["limit"] <= MAX_LIMIT:
            message = f"--limit takes a number from 1 to {MAX_LIMIT}."
            raise CommandError(message, returncode=2)
        mails = self.matching(options["words"], options["status"])
        if options["csv"]:
            if options["follow"] or options["json"]:
                message = "--csv goes neither with --follow nor with --json."
                raise CommandError(message, returncode=2)
            for piece in export.csv_lines(mails):
                self.stdout.write(piece, ending="")
            return
        newest = mails.page(options["limit"])
        self.print(newest[::-1] if options["follow"] else newest, as_json=options["json"])
        last = newest[0].pk if newest else 0
        while options["follow"]:
            try:
                sleep(POLL_SECONDS)
            except KeyboardInterrupt:
                return
            fresh = self.matching(options["words"], options["status"]).oldest(MAX_LIMIT, after=last)
            self.print(fresh, as_json=options["json"])
            last = fresh[-1].pk if fresh else last

    @staticmethod
    def matching(words: Sequence[str], status: str | None) -> SearchResult:
        """Return the mails asked for. Raises CommandError for a query that the log's page would refuse, too."""
        query = QueryDict(mutable=True)
        query["q"] = " ".join(words)
        if status:
            query["status"] = status
        found = MessageFilter(query, Message.objects.select_related("driver", "connection"))
        if not found.is_valid():
            problems = " ".join(str(problem) for problems in found.form.errors.values() for problem in problems)
            raise CommandError(problems, returncode=2)
        return found.found

    def print(self, mails: Sequence[Message], *, as_json: bool) -> None:
        """Print one line a mail; control characters cannot get into the terminal, the log holds none."""
        for mail in mails:
            facts = {
                "id": mail.pk,
                "created_at": mail.created_at.isoformat(timespec="seconds"),
                "status": mail.status,
                "to": mail.to_text,
                "subject": mail.subject,
                "driver": str(mail.driver or ""),
                "connection": str(mail.connection or ""),
                "attempt_count": mail.attempt_count,
                "reason": mail.reason,
            }
            line = "{created_at}  {status:10} {id:>8}  {to}  {subject}  {reason}".format_map(facts).rstrip()
            self.stdout.write(json.dumps(facts) if as_json else line)
