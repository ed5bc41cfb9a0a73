"""The test mail: a form, one POST through the real send path, and what became of it."""

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from mailadmin import configuration, test_mails
from mailadmin.errors import InvalidMail
from mailadmin.forms import TestMailForm
from mailadmin.models import SendMode
from mailadmin.views.requests import PersonRequest
from maillog import lookup
from maillog.models import Attempt, Message, Status
from maillog.next_steps import CONNECTION_PHASES, TROUBLE, next_steps
from maillog.verdict import verdict
from secrets_app import vault


@permission_required("mailadmin.send_test", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def form(request: PersonRequest) -> HttpResponse:
    """Ask for the recipient (first the person's own address) and send."""
    usable = [connection for connection in vault.connections() if vault.usable_by(connection, request.user)]
    current = configuration.current()
    driver = configuration.driver_of(current)
    bound = TestMailForm(
        request.POST if request.method == "POST" else None,
        connections=usable,
        delivers=driver.needs_connection,
        initial={"to": request.user.email},
    )
    if request.method == "POST" and bound.is_valid():
        try:
            number = test_mails.send_test_mail(
                bound.cleaned_data["to"], actor=request.user, connection_hint=bound.cleaned_data["connection"]
            )
        except InvalidMail as error:
            bound.add_error("to" if error.field == "to" else None, explain(error))
        except test_mails.TooManyTestsError as error:
            bound.add_error(None, str(error))
        else:
            return redirect("mailadmin:test_result", number)
    connection = configuration.system_connection(current)
    context = {
        "form": bound,
        "driver": driver,
        "connection": connection,
        "sender": str(current.from_address) or (connection.fields["sender"] if connection else ""),
        "mode": SendMode(str(current.mode)).label,
    }
    return render(request, "mailadmin/test.html", context, status=422 if bound.errors else 200)


def explain(error: InvalidMail) -> str:
    """Return the sentence for the page; the From address is set elsewhere, so that place is named."""
    if error.field == "from_" and not str(configuration.current().from_address):
        return gettext("Nothing was sent, because there is no From address yet. Set it in the mail settings.")
    if error.field == "from_":
        return gettext("Nothing was sent: the From address %s. Change it in the mail settings.") % error.reason
    return gettext("Nothing was sent: %s") % error


@permission_required("mailadmin.send_test", raise_exception=True)
@require_safe
def result(request: PersonRequest, mail_id: int) -> HttpResponse:
    """Show what became of the test mail `mail_id`; only the person's own, unless the log may be seen."""
    try:
        mail = lookup.mail_by_id(mail_id)
    except Message.DoesNotExist as error:
        raise Http404 from error
    if not (mail.is_test and mail.actor_id == request.user.pk) and not request.user.has_perm("maillog.view_log"):
        raise PermissionDenied
    template = "mailadmin/_test_result.html" if request.htmx else "mailadmin/test_result.html"
    attempt, said = lookup.last_attempt(mail), verdict(mail)
    context = {
        "mail": mail,
        "attempt": attempt,
        "verdict": said,
        "words": words_beyond(said.sentence, attempt),
        "steps": next_steps(mail),
        "connection_url": connection_url(request, attempt),
        "mends_connection": mail.status == Status.FAILED and attempt and attempt.phase in CONNECTION_PHASES,
        "waiting": mail.status in {Status.QUEUED, Status.SENDING},
    }
    return render(request, template, context)


def words_beyond(sentence: str, attempt: Attempt | None) -> str:
    """Return the words that the attempt ended in, unless the sentence says them already or nothing went wrong."""
    if attempt is None or not (attempt.code or attempt.outcome in TROUBLE or attempt.outcome == Status.UNCERTAIN):
        return ""
    line = " ".join(attempt.server_words.split())
    return "" if line.rstrip(".") in sentence else attempt.server_words


def connection_url(request: PersonRequest, attempt: Attempt | None) -> str:
    """Return the page of the connection that the attempt took, or "" if it is gone or not this person's to see."""
    if attempt is None or not request.user.has_perm("secrets_app.use_secrets"):
        return ""
    for connection in vault.connections():
        if connection.name == attempt.connection and vault.usable_by(connection, request.user):
            if connection.id == vault.ENVIRONMENT:
                return reverse("secrets_app:environment")
            return reverse("secrets_app:detail", args=[connection.id])
    return ""
