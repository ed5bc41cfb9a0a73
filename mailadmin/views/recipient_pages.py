"""One recipient: whether messages arrive, every message to the address, and what can be done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from mailadmin.hooks import account_lookup
from mailadmin.message.addresses import AddressError
from mailadmin.operations.recipient_forms import RecipientForm, normalized_address
from maillog import suppressions as suppressing
from maillog.content.template_link import language_name
from maillog.durations import age
from maillog.explanations.explanation import explain_recipient
from maillog.recipients import duplicates
from maillog.recipients import history as people
from maillog.recipients.history import Delivery, DeliveryOutcome
from maillog.recipients.recipient_steps import looks_unreachable, recipient_steps
from maillog.recipients.recipient_verdict import TONES, RecipientCase, recipient_verdict
from maillog.requests import SignedInRequest

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

LABELS: dict[DeliveryOutcome, _StrPromise] = {
    DeliveryOutcome.ACCEPTED: _("Accepted"),
    DeliveryOutcome.REFUSED: _("Refused"),
    DeliveryOutcome.GIVEN_UP: _("Given up"),
    DeliveryOutcome.WAITING: _("Waiting"),
    DeliveryOutcome.UNCERTAIN: _("Uncertain"),
    DeliveryOutcome.LEFT_OUT: _("Skipped"),
    DeliveryOutcome.UNSENT: _("Not sent"),
    DeliveryOutcome.CANCELLED: _("Cancelled"),
}
RESENDABLE = frozenset(DeliveryOutcome) - {DeliveryOutcome.WAITING}


@dataclass(frozen=True, slots=True)
class Row:
    """One message as the page shows it."""

    href: str
    tone: str
    label: _StrPromise
    subject: str
    kind: str
    template: str
    reply: str
    meaning: str
    at: datetime


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def detail(request: SignedInRequest) -> HttpResponse:
    """Show everything about the address that is asked for, or a search box."""
    form = RecipientForm(request.GET if "address" in request.GET else None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        context |= context_for(form.cleaned_data["address"], request)
    return render(request, "mailadmin/recipient.html", context)


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def search(request: SignedInRequest) -> HttpResponse:
    """Redirect from the overview's search box to the recipient's page, or for other text to the log's search."""
    text = request.GET.get("q", "").strip()
    try:
        address = normalized_address(text)
    except AddressError:
        return redirect(f"{reverse('maillog:list')}?{urlencode({'q': text})}" if text else "maillog_actions:recipient")
    return redirect(recipient_url(address))


def recipient_url(address: str) -> str:
    """Return the URL of the page about `address`."""
    return f"{reverse('maillog_actions:recipient')}?{urlencode({'address': address})}"


def context_for(address: str, request: SignedInRequest) -> dict[str, Any]:
    history = people.history(address)
    streak = history.streak
    soonest = people.next_due(history.waiting) if history.waiting else None
    suppressions = suppressing.history_of(address)
    case = RecipientCase(
        history=history,
        newest=people.delivery(streak[0]) if streak else None,
        next_waiting=people.delivery(soonest) if soonest else None,
        suppression=next((one for one in suppressions if one.lifted_at is None), None),
        now=timezone.now(),
    )
    context: dict[str, Any] = {"misplaced": False, "page": people.DeliveryPage()}
    try:
        context["page"] = people.page_of_deliveries(address, request.GET)
    except ValueError:
        context["misplaced"] = True
    account = account_lookup.account_of(address)
    newest = case.newest
    return context | {
        "address": address,
        "query": urlencode({"address": address}),
        "verdict": recipient_verdict(case),
        "steps": recipient_steps(case),
        "rows": rows(context["page"].deliveries),
        "near": [(one, recipient_url(one)) for one in people.similar_addresses(address)] if not history.entries else [],
        "suppression": case.suppression,
        "past": [one for one in suppressions if one.lifted_at],
        "looks_gone": looks_unreachable(case) and not case.suppression,
        "newest": newest.mail.pk if newest else None,
        "resend": newest.mail.pk if newest and newest.outcome in RESENDABLE and not case.suppression else None,
        "waiting": bool(history.waiting),
        "account": account,
        "mails_in": language_name(account.language, get_language() or "en") if account else "",
        "duplicates": [(one, age(one.apart.total_seconds())) for one in duplicates.duplicates_of(address)],
    }


def rows(deliveries: Iterable[Delivery]) -> list[Row]:
    log = reverse("maillog:list")
    found = []
    for one in deliveries:
        recipient, mail = one.recipient, one.mail
        found.append(
            Row(
                href=f"{log}{mail.pk}/",
                tone=TONES.get(one.outcome, "muted") if one.outcome != DeliveryOutcome.WAITING else "info",
                label=LABELS[one.outcome],
                subject=mail.subject,
                kind="" if recipient.kind == recipient.Kind.TO else recipient.get_kind_display(),
                template=mail.template.text if mail.template else "",
                reply=recipient.server_words or ("" if one.outcome == DeliveryOutcome.ACCEPTED else mail.reason),
                meaning=""
                if one.outcome == DeliveryOutcome.ACCEPTED
                else explain_recipient(recipient, one.attempt).text,
                at=mail.created_at,
            )
        )
    return found
