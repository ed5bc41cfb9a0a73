"""Resending one message of the log: to its recipients, to the person who asks, or to another address."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from mailadmin.form_fields import AddressField
from mailadmin.message.addresses import Address, AddressError, parse_address
from mailadmin.outbox import reissuing, resending
from maillog import lookup, resends
from maillog.models import Message
from maillog.requests import SignedInRequest
from maillog.text import shortened

SAME, ME, OTHER = "same", "me", "other"


class ResendForm(forms.Form):
    """To whom the copy goes. Another address requires permission to see the content, as it would reveal it."""

    whom = forms.ChoiceField(label=_("Send to"), widget=forms.RadioSelect)
    address = AddressField(
        label=_("Another address"),
        required=False,
        help_text=_("Only this address receives it, and it replaces the To header."),
    )

    def __init__(self, data: Any, *, own: str, may_choose: bool, recipients: str, is_for_the_rest: bool) -> None:
        super().__init__(data, initial={"whom": SAME if recipients else OTHER})
        self.own = own
        same = gettext("Only those who did not get it: %s") if is_for_the_rest else gettext("The same recipients: %s")
        choices = [(SAME, same % recipients)] if recipients else []
        if may_choose:
            choices.append((ME, gettext("Only me: %s") % own))
            choices.append((OTHER, gettext("Another address")))
        else:
            del self.fields["address"]
        whom = self.fields["whom"]
        if isinstance(whom, forms.ChoiceField):
            whom.choices = choices

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("whom") == OTHER and not data.get("address") and "address" not in self.errors:
            self.add_error("address", gettext("Enter the address to send it to."))
        if data.get("whom") == ME:
            try:
                parse_address(self.own)
            except AddressError:
                self.add_error("whom", gettext("Your account has no valid email address."))
        return data

    def target(self) -> Address | None:
        """Return the address that receives the copy; None: the same recipients."""
        match self.cleaned_data["whom"]:
            case "me":
                return parse_address(self.own)
            case "other":
                return parse_address(str(self.cleaned_data["address"]))
            case _:
                return None


@permission_required(["maillog.view_log", "maillog.resend_mail"], raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def resend(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Ask to whom, and resend the message; one with a link or a code is replaced by a new message."""
    mail = found(mail_id)
    if reissuing.can_reissue(mail):
        return reissue(request, mail)
    refusal, may_choose = resending.refusal_reason(mail), request.user.has_perm("maillog.view_body")
    left, is_for_the_rest = resending.recipients_left(mail), resends.is_for_the_rest(mail)
    nobody_left = "" if left else gettext(resending.NO_RECIPIENTS)
    if not may_choose:
        refusal = refusal or nobody_left
    posted = request.method == "POST"
    form = ResendForm(
        request.POST if posted else None,
        own=request.user.email,
        may_choose=may_choose,
        recipients=shortened([one.search_address for one in left]),
        is_for_the_rest=is_for_the_rest,
    )
    if posted and not refusal and form.is_valid():
        whom = form.cleaned_data["whom"]
        try:
            new = resending.resend(mail, actor=request.user, to=form.target(), keep_to=whom == ME)
        except resending.NotResendable as error:
            refusal = str(error)
        else:
            messages.success(request, gettext("Sent again as this new message. It is a copy of message %d.") % mail.pk)
            return redirect("maillog:detail", new)
    context = {
        "mail": mail,
        "form": form,
        "refusal": refusal,
        "nobody_left": nobody_left,
        "is_for_the_rest": is_for_the_rest,
    }
    return render(request, "mailadmin/resend.html", context, status=422 if posted else 200)


def reissue(request: SignedInRequest, mail: Message) -> HttpResponse:
    """Ask whether to send a new message to the account's own address, and send it."""
    refusal = reissuing.refusal_reason(mail)
    if request.method == "POST" and not refusal:
        try:
            new = reissuing.reissue(mail, actor=request.user)
        except reissuing.NotReissued as error:
            refusal = str(error)
        else:
            messages.success(request, gettext("This message sends a new link. It replaces message %d.") % mail.pk)
            return redirect("maillog:detail", new)
    context = {"mail": mail, "refusal": refusal}
    return render(request, "mailadmin/new_link.html", context, status=422 if request.method == "POST" else 200)


def found(mail_id: int) -> Message:
    """Return the message. Raises Http404."""
    try:
        return lookup.mail_by_id(mail_id)
    except Message.DoesNotExist as error:
        raise Http404 from error
