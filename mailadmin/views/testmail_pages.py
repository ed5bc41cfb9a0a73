"""The test page: a form, one POST through the normal send path, and the result.

Errors in values, template and queueing are reported separately; the server's reply is on the result page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_http_methods, require_safe

from mailadmin.configuration import effective
from mailadmin.connections import readiness, selection
from mailadmin.diagnosis import testmail
from mailadmin.diagnosis.testmail_form import Selection, TestMailForm
from mailadmin.errors import InvalidMail
from mailadmin.hooks.account_lookup import account_of
from mailadmin.models import SendMode
from mailadmin.operations import control
from maillog import lookup
from maillog.content import template_link
from maillog.explanations.meanings import CONNECTION_PHASES
from maillog.explanations.next_steps import UNSUCCESSFUL, next_steps
from maillog.explanations.verdict import verdict
from maillog.models import Attempt, Message, Status
from maillog.requests import SignedInRequest
from secrets_app import vault
from templates_app.engine.template_errors import TemplateError
from templates_app.library.sample_rendering import SandboxUnavailableError


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing was sent: a title, the problems, and the field or template where they are fixed."""

    title: str
    problems: tuple[str, ...]
    field: str = ""
    template: tuple[str, ...] = ()


@permission_required("mailadmin.send_test", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def form(request: SignedInRequest) -> HttpResponse:
    """Ask for recipient (by default the person's own address) and template, and send."""
    posted = request.method == "POST"
    given = request.POST if posted else request.GET
    account = account_of(request.user.email)
    picked = Selection(given, language=account.language if account else get_language() or settings.LANGUAGE_CODE)
    sends = posted and "choose" not in request.POST
    current = effective.current()
    driver = effective.driver_of(current)
    bound = TestMailForm(
        request.POST if sends and (picked.unknown or not picked.is_stale) else None,
        connections=[one for one in selection.connections() if vault.usable_by(one, request.user)],
        delivers=driver.delivers,
        picked=picked,
        initial={
            "to": given.get("to", "") if posted else request.user.email,
            "connection": given.get("connection", ""),
            **picked.initial,
        },
    )
    failure = None
    if bound.is_valid():
        sent = send(request, bound)
        if isinstance(sent, int):
            return redirect("mailadmin:test_result", sent)
        failure = sent
        if failure.field:
            bound.add_error(failure.field, list(failure.problems))
    connection = readiness.system_connection(current)
    context = {
        "form": bound,
        "picked": picked,
        "failure": failure,
        "is_stale": sends and not bound.is_bound,
        "driver": driver,
        "connection": connection,
        "sender": str(current.from_address) or (connection.sender if connection else ""),
        "mode": SendMode(str(current.mode)).label,
    }
    if request.htmx and not posted:
        return render(request, "mailadmin/_testmail_template.html", context)
    refused = failure is not None or bound.errors or context["is_stale"]
    return render(request, "mailadmin/testmail.html", context, status=422 if refused else 200)


def send(request: SignedInRequest, bound: TestMailForm) -> int | Failure:
    """Send the message and return its id, or why it was not sent."""
    data: dict[str, Any] = bound.cleaned_data
    common: dict[str, Any] = {
        "actor": request.user,
        "connection_hint": data["connection"],
        "language": data["language"],
    }
    key = data["template"] or testmail.TEMPLATE
    try:
        if not data["template"]:
            return testmail.send_test_mail(data["to"], **common)
        return testmail.send_from_template(data["to"], key=key, values=data["values"], **common)
    except TemplateError as error:
        if error.is_about_values:
            return values_failure([problem.message for problem in error.problems])
        return template_failure([str(problem) for problem in error.problems], key)
    except InvalidMail as error:
        if error.field in {"template", "values"}:  # of the built-in test message, whose values are not the person's
            return template_failure([error.reason], key)
        field = "to" if error.field == "to" else ""
        return Failure(gettext("The message could not be queued."), (explain(error),), field)
    except (testmail.TooManyTestsError, SandboxUnavailableError) as error:
        return Failure(gettext("The message could not be queued."), (str(error),))


def values_failure(problems: list[str]) -> Failure:
    title = gettext("Nothing was sent, because the values do not fit the template.")
    return Failure(title, tuple(problems), "values")


def template_failure(problems: list[str], key: str) -> Failure:
    project, _slash, name = key.partition("/")
    title = gettext("Nothing was sent, because the template does not render.")
    return Failure(title, tuple(problems), "template", (project, "template", name))


def explain(error: InvalidMail) -> str:
    """Return the error for the page; for the From address it says where to set it."""
    if error.field == "from_" and not str(effective.current().from_address):
        return gettext("Nothing was sent, because there is no From address yet. Set it in the mail settings.")
    if error.field == "from_":
        return gettext("Nothing was sent: the From address %s. Change it in the mail settings.") % error.reason
    return gettext("Nothing was sent: %s") % error


@permission_required("mailadmin.send_test", raise_exception=True)
@require_safe
def result(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Show the result of a test message: the person's own, or any with permission to see the log."""
    try:
        mail = lookup.mail_by_id(mail_id)
    except Message.DoesNotExist as error:
        raise Http404 from error
    if not (mail.is_test and mail.actor_id == request.user.pk) and not request.user.has_perm("maillog.view_log"):
        raise PermissionDenied
    template = "mailadmin/_testmail_result.html" if request.htmx else "mailadmin/testmail_result.html"
    attempt, said = lookup.last_attempt(mail), verdict(mail)
    context = {
        "mail": mail,
        "attempt": attempt,
        "verdict": said,
        "edition": template_link.version_label(mail),
        "reply": reply_beyond(said.sentence, attempt),
        "steps": next_steps(mail),
        "connection_url": connection_url(request, attempt),
        "concerns_connection": mail.status == Status.FAILED and attempt and attempt.phase in CONNECTION_PHASES,
        "waiting": mail.status in {Status.QUEUED, Status.SENDING},
        "closed": control.closed_line(attempt.connection) if attempt and mail.status == Status.SENT else None,
    }
    return render(request, template, context)


def reply_beyond(sentence: str, attempt: Attempt | None) -> str:
    """Return the server's reply, unless the sentence contains it already or nothing went wrong."""
    if attempt is None or not (attempt.code or attempt.outcome in UNSUCCESSFUL or attempt.outcome == Status.UNCERTAIN):
        return ""
    line = " ".join(attempt.server_words.split())
    return "" if line.rstrip(".") in sentence else attempt.server_words


def connection_url(request: SignedInRequest, attempt: Attempt | None) -> str:
    """Return the page of the attempt's connection, or "" if it is deleted or this person may not see it."""
    if attempt is None or not request.user.has_perm("secrets_app.use_secrets"):
        return ""
    for connection in selection.connections():
        if connection.name == attempt.connection and vault.usable_by(connection, request.user):
            return vault.page_url(connection.id)
    return ""
