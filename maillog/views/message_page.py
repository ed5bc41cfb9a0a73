"""One message: its outcome, its content and the replies of the servers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from maillog import audit_log, hooks, lookup, resends
from maillog.content import template_link
from maillog.content.mime_view import read_mail, source_text
from maillog.content.preview import POLICY, frame_document, has_remote_content
from maillog.content.storage import ContentDamagedError, unpack
from maillog.content.timeline import BAR_WIDTH, timeline
from maillog.durations import duration
from maillog.explanations.explanation import decisive_attempt, explain_recipient
from maillog.explanations.next_steps import next_steps
from maillog.explanations.verdict import verdict
from maillog.models import FAILURES, FINAL, Attempt, Content, Message, Recipient, Status
from maillog.queue import actions as queue_actions
from maillog.retention import deletion

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    from maillog.requests import SignedInRequest

TABS = {"preview": _("Preview"), "text": _("Text"), "headers": _("Headers"), "source": _("Source")}
UNREMARKABLE = frozenset({Recipient.Outcome.ACCEPTED, Recipient.Outcome.OPEN})
FOLD_RECIPIENTS_ABOVE = 20  # recipients; a longer list is collapsed

CONTENT_NOT_ALLOWED = _("You can see what became of messages, but your account may not view their content.")
SENSITIVE = _("This message contains a link or a code that is only for its recipient. Its content is never shown.")
SENSITIVE_GONE = _(
    "This message contained a link or a code that was only for its recipient. Its content was deleted when it ended."
)
CONTENT_DELETED = _("The content of this message is no longer stored.")
NO_RECIPIENT_LEFT = _("It cannot be retried: each recipient has accepted or refused it.")
NO_CONTENT_LEFT = _("It cannot be retried: its content is no longer stored.")
CONTENT_DAMAGED = _("The content of this message cannot be read: its row in the database is damaged.")


@dataclass(frozen=True, slots=True)
class Body:
    """The octets of a message, or the sentence that says why they are not shown."""

    mime: bytes | None = None
    refusal: _StrPromise | str = ""


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def detail(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Show one message and one tab of its content."""
    mail = message_or_404(mail_id)
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "preview"
    body = body_of(mail) if request.user.has_perm("maillog.view_body") else Body(refusal=CONTENT_NOT_ALLOWED)
    recipients = list(mail.recipients.all())
    attempts = list(mail.attempts.all())
    if body.mime is not None and request.method == "GET":
        audit_log.record_view(mail.pk, actor=request.user)
    unrecorded = mail.attempt_count - len(attempts) - (mail.status == Status.SENDING)
    context = {
        "mail": mail,
        "verdict": verdict(mail),
        "steps": next_steps(mail),
        "by_kind": [
            (kind.label, [one.search_address for one in recipients if one.kind == kind]) for kind in Recipient.Kind
        ],
        "recipients": explained(recipients, decisive_attempt(mail)) if has_individual_outcomes(recipients) else [],
        "many": FOLD_RECIPIENTS_ABOVE,
        "tried": timeline(mail.pk, attempts),
        "bar": BAR_WIDTH,
        "unrecorded": max(0, unrecorded),
        "took": duration((mail.finished_at - mail.created_at).total_seconds()) if mail.finished_at else "",
        "is_final": mail.status in FINAL,
        "edition": template_link.version_label(mail),
        "revision": (revision := hooks.revision(mail)),
        "revision_url": revision.url if revision and request.user.has_perm(revision.permission) else "",
        "resent_as": resends.resent_as(mail.pk),
        "version_url": template_link.version_url(mail) if request.user.has_perm(template_link.PERMISSION) else "",
        "tabs": [(key, label, key == tab) for key, label in TABS.items()],
        "tab": tab,
        "refusal": body.refusal,
        "audit_events": audit_log.events_of(mail.pk, include_views=request.user.has_perm("maillog.view_body")),
        **actions(request, mail),
    }
    if body.mime is not None:
        view = read_mail(body.mime)
        context |= {"view": view, "remote": has_remote_content(view.html or "")}
        if tab == "source":
            context["source"], context["source_cut"] = source_text(body.mime)
    return render(request, "maillog/message_detail.html", context)


def actions(request: HttpRequest, mail: Message) -> dict[str, Any]:
    """Return which buttons the person gets, and why a failed or partly sent message cannot be retried."""
    ended = mail.status in deletion.DELETABLE and mail.next_attempt_at is None
    buttons = {
        "can_resend": ended and request.user.has_perm("maillog.resend_mail"),
        "sends_new_link": hooks.can_reissue(mail),
        "is_for_the_rest": resends.is_for_the_rest(mail),
        "can_delete": ended and request.user.has_perm("maillog.delete_mail"),
    }
    if not request.user.has_perm("mailadmin.manage_queue"):
        return buttons
    retry = queue_actions.preview_retry(mail) if mail.status in FAILURES else queue_actions.RetryResult(due=1)
    return buttons | {
        "can_retry": mail.status in queue_actions.RETRIABLE and retry.due,
        "can_cancel": mail.status in queue_actions.CANCELLABLE,
        "no_retry": NO_RECIPIENT_LEFT if retry.no_recipients_left else NO_CONTENT_LEFT if retry.content_missing else "",
    }


@permission_required(["maillog.view_log", "maillog.view_body"], raise_exception=True)
@require_safe
def preview(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Return the HTML part alone, for the sandboxed frame of the message page."""
    mime = body_of(message_or_404(mail_id)).mime
    view = read_mail(mime) if mime is not None else None
    if view is None or view.html is None:
        raise Http404
    if request.method == "GET":
        audit_log.record_view(mail_id, actor=request.user)
    return HttpResponse(
        frame_document(view.html, view.images),
        headers={
            "Content-Security-Policy": POLICY,
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "no-referrer",
            "X-DNS-Prefetch-Control": "off",  # otherwise Chromium resolves the host of every link
            "Cache-Control": "private, no-store",
        },
    )


@permission_required(["maillog.view_log", "maillog.view_body"], raise_exception=True)
@require_safe
def source(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Return the message as a file, as it was sent to the server."""
    mime = body_of(message_or_404(mail_id)).mime
    if mime is None:
        raise Http404
    if request.method == "GET":
        audit_log.record_view(mail_id, actor=request.user, downloaded=True)
    return HttpResponse(
        mime,
        content_type="message/rfc822",
        headers={
            "Content-Disposition": f'attachment; filename="message-{mail_id}.eml"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


def message_or_404(mail_id: int) -> Message:
    try:
        return lookup.mail_by_id(mail_id)
    except Message.DoesNotExist as error:
        raise Http404 from error


def body_of(mail: Message) -> Body:
    if mail.is_sensitive:
        return Body(refusal=SENSITIVE_GONE if mail.status in FINAL else SENSITIVE)
    stored = Content.objects.filter(pk=mail.pk).values_list("mime", flat=True).first()
    if stored is None:
        return Body(refusal=CONTENT_DELETED)
    try:
        return Body(mime=unpack(stored))
    except ContentDamagedError:
        return Body(refusal=CONTENT_DAMAGED)


def explained(recipients: Sequence[Recipient], attempt: Attempt | None) -> list[tuple[Recipient, str]]:
    """Return each recipient with what its own reply means, "" if there is nothing to explain."""
    return [(one, explain_recipient(one, attempt).text) for one in recipients]


def has_individual_outcomes(recipients: Iterable[Recipient]) -> bool:
    """Return whether the recipients' outcomes add anything to the status of the message."""
    outcomes = [one.outcome for one in recipients]
    return len(outcomes) > 1 or any(outcome not in UNREMARKABLE for outcome in outcomes)
