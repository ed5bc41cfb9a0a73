"""`manage.py mail_log [QUERY]`: the newest messages of the log, or every new one as it arrives."""

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

POLL_SECONDS = 1.0  # between two queries with --follow
MAX_LIMIT = 10_000


class Command(BaseCommand):
    """Exit 0: done, even if nothing matches; 2: wrong use."""

    help = (
        'List messages, newest first. QUERY uses the syntax of the log\'s search box: words, "phrases", status:failed, '
        "to:ann@, after:2h, -is:test. Write -- before a query that starts with a minus."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("words", nargs="*", metavar="QUERY", help="what to search for")
        parser.add_argument("--status", choices=Status.values, help="only messages in this state")
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most N messages (default 20)")
        parser.add_argument("--follow", action="store_true", help="continue with every new message, oldest first")
        parser.add_argument("--json", action="store_true", help="one JSON object per line")
        parser.add_argument("--csv", action="store_true", help="all matches as CSV, like the log's page")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["limit"] <= MAX_LIMIT:
            message = f"--limit must be from 1 to {MAX_LIMIT}."
            raise CommandError(message, returncode=2)
        mails = self.matching(options["words"], options["status"])
        if options["csv"]:
            if options["follow"] or options["json"]:
                message = "--csv cannot be combined with --follow or --json."
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
        """Return the matching messages. Raises CommandError for a query that the log's page would refuse."""
        query = QueryDict(mutable=True)
        query["q"] = " ".join(words)
        if status:
            query["status"] = status
        found = MessageFilter(query, Message.objects.select_related("driver", "connection"))
        if not found.is_valid():
            problems = " ".join(str(problem) for problems in found.form.errors.values() for problem in problems)
            raise CommandError(problems, returncode=2)
        return found.result

    def print(self, mails: Sequence[Message], *, as_json: bool) -> None:
        """Print one line per message. The log stores no control characters, so none reach the terminal."""
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
