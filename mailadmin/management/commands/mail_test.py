"""`manage.py mail_test ADDRESS`: send a test message now and print the server's reply."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.diagnosis import connection_check, testmail
from mailadmin.errors import InvalidMail
from mailadmin.models import SendMode
from mailadmin.operations import control
from maillog import lookup
from maillog.explanations.next_steps import next_steps
from maillog.explanations.verdict import verdict
from maillog.models import Status
from secrets_app import vault
from secrets_app.vault import VaultError
from templates_app.engine.template_errors import TemplateError
from templates_app.library import sample_rendering
from templates_app.library.sample_rendering import SampledTemplate, SandboxUnavailableError

REACHED = frozenset({Status.SENT, Status.LOGGED, Status.SILENCED})


class Command(BaseCommand):
    """Exit 0: accepted; 1: refused, failed or not delivered; 2: wrong use."""

    help = "Send a test message immediately, like any other message, and print the result."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="the recipient")
        parser.add_argument("--template", default="", metavar="KEY", help="a template such as account/welcome")
        parser.add_argument("--language", default="", metavar="de", help="the language to send it in")
        parser.add_argument("--sample", default=None, metavar="NAME", help="the sample whose values are used")
        parser.add_argument("--connection", default="", metavar="NAME", help="name or id of a connection")
        parser.add_argument("--check", action="store_true", help="check the connection step by step; send nothing")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        current = effective.current()
        known = selection.connections()
        name = options["connection"].casefold()
        if name and not any(name in {one.id, one.name.casefold()} for one in known):
            names = ", ".join(one.name for one in known) or "none"
            message = f"--connection: there is no connection {options['connection']!r}; known: {names}."
            raise CommandError(message, returncode=2)
        if options["check"]:
            connection = selection.choose(known, current, hint=options["connection"])
            self.check_connection(connection, options["address"], as_json=options["json"])
            return
        template = self.template(options["template"], options["language"], options["sample"])
        self.report(self.send(template, options), as_json=options["json"])

    def template(self, key: str, language: str, sample: str | None) -> SampledTemplate | None:
        """Return the template to use, or None for the built-in test message. Raises CommandError."""
        if sample is not None and not key:
            message = "--sample requires --template."
            raise CommandError(message, returncode=2)
        template = sample_rendering.sampled_template(key or testmail.TEMPLATE)
        if template is None:
            if not key:
                return None
            message = f"--template: there is no published template {key!r}."
            raise CommandError(message, returncode=2)
        if language and not template.has_language(language):
            message = f"--language: {template.key} has no {language!r}; it has: {', '.join(template.languages)}."
            raise CommandError(message, returncode=2)
        if sample is not None and sample not in template.samples:
            names = ", ".join(filter(None, template.samples)) or "none of its own"
            message = f"--sample: {template.key} has no {sample!r}; it has: {names}."
            raise CommandError(message, returncode=2)
        return template

    def send(self, template: SampledTemplate | None, options: dict[str, Any]) -> int:
        """Send the test message and return its id. Raises CommandError with the reason."""
        common = {
            "language": options["language"],
            "connection_hint": options["connection"],
            "mode": SendMode.INSTANT,
        }
        try:
            if template is None or not options["template"]:
                return testmail.send_test_mail(options["address"], **common)
            name = next(iter(template.samples)) if options["sample"] is None else options["sample"]
            values = template.samples[name]
            return testmail.send_from_template(options["address"], key=template.key, values=values, **common)
        except TemplateError as error:
            what = "The values are not valid" if error.is_about_values else "The template does not render"
            raise CommandError(f"{what}: {error}") from error
        except SandboxUnavailableError as error:
            raise CommandError(str(error)) from error
        except InvalidMail as error:
            raise CommandError(f"Not queued: {error}", returncode=2 if error.field == "to" else 1) from error

    def check_connection(self, connection: vault.Connection | None, recipient: str, *, as_json: bool) -> None:
        """Check the connection and print each step. Raises CommandError with the server's words where it fails."""
        if connection is None:
            message = selection.missing_reason(effective.current())
            raise CommandError(message)
        try:
            done = connection_check.check_connection(connection, recipient=recipient)
        except VaultError as error:
            message = f"{connection.name}: {error}"
            raise CommandError(message) from error
        if as_json:
            facts = {
                "connection": connection.name,
                "passed": done.is_passed,
                "sentence": done.sentence,
                "reason": done.reason,
                "advice": done.advice,
                "steps": [asdict(step) for step in done.steps],
            }
            self.stdout.write(json.dumps(facts))
        else:
            for step in done.steps:
                took = f"{step.milliseconds} ms" if step.milliseconds is not None else step.state
                self.stdout.write(f"{took:>9}  {step.label}  {step.note}".rstrip())
        if not done.is_passed:
            lines = [f"{connection.name}: {done.sentence}", done.reason, *done.advice]
            raise CommandError("\n".join(filter(None, lines)))
        if not as_json:
            self.stdout.write(f"{connection.name}: {done.sentence}")

    def report(self, number: int, *, as_json: bool) -> None:
        """Print the result. Raises CommandError unless the message was accepted."""
        mail = lookup.mail_by_id(number)
        attempt = lookup.last_attempt(mail)
        sentence, advice = verdict(mail).sentence, next_steps(mail)
        closed = control.closed_line(attempt.connection) if attempt and mail.status == Status.SENT else None
        if as_json:
            facts = {
                "id": number,
                "status": mail.status,
                "verdict": sentence,
                "reply": attempt.reply if attempt else "",
                "advice": advice,
                "connection_state": closed.state.value if closed else "",
                "template": mail.template.text if mail.template else "",
                "version": mail.template_version,
                "language": mail.language,
                "subject": mail.subject,
            }
            self.stdout.write(json.dumps(facts))
        if mail.status not in REACHED:
            raise CommandError("\n".join([f"Message {number}: {sentence}", *advice]))
        if not as_json:
            self.stdout.write(f"Message {number}: {sentence}")
            if closed:
                state = closed.state.label.lower()
                self.stdout.write(f"“{closed.name}” is {state}: other messages are held. {closed.reason}")
