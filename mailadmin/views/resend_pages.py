"""Sending one mail of the log again: to the same recipients, to whoever asks, or to another address."""

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
from maillog import lookup
from maillog.models import Message
from maillog.requests import SignedInRequest

SAME, ME, OTHER = "same", "me", "other"


class ResendForm(forms.Form):
    """To whom. To an address of one's choice only for those who may see what mails say: it would show it to them."""

    whom = forms.ChoiceField(label=_("To whom"), widget=forms.RadioSelect)
    address = AddressField(
        label=_("Another address"), required=False, help_text=_("Only this address gets it, and To names it.")
    )

    def __init__(self, data: Any, *, own: str, may_choose: bool, recipients: str) -> None:
        super().__init__(data, initial={"whom": SAME})
        self.own = own
        choices = [(SAME, gettext("The same recipients: %s") % recipients)]
        if may_choose:
            choices.append((ME, gettext("Only me: %s") % own))
            choices.append((OTHER, gettext("Another address")))
        else:
            del self.fields["address"]
        whom = self.fields["whom"]
        if isinstance(whom, forms.ChoiceField):
            whom.choices = choices

    def clean(self) -> dict[str, Any]:
        """Ask for an address where one is needed."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("whom") == OTHER and not data.get("address") and "address" not in self.errors:
            self.add_error("address", gettext("Write the address that it goes to."))
        if data.get("whom") == ME:
            try:
                parse_address(self.own)
            except AddressError:
                self.add_error("whom", gettext("Your account has no address that can be sent to."))
        return data

    def target(self) -> Address | None:
        """Return the one address that gets it; None: the same recipients."""
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
    """Ask to whom, and send it again; in place of a mail with a link or a code, issue a fresh one."""
    mail = found(mail_id)
    if reissuing.can_reissue(mail):
        return reissue(request, mail)
    hindrance = resending.refusal_reason(mail)
    posted = request.method == "POST"
    form = ResendForm(
        request.POST if posted else None,
        own=request.user.email,
        may_choose=request.user.has_perm("maillog.view_body"),
        recipients=mail.recipients_shown,
    )
    if posted and not hindrance and form.is_valid():
        whom = form.cleaned_data["whom"]
        try:
            new = resending.resend(mail, actor=request.user, to=form.target(), keep_to=whom == ME)
        except resending.NotResendable as error:
            hindrance = str(error)
        else:
            messages.success(request, gettext("Sent again as this new mail. It is a copy of mail %d.") % mail.pk)
            return redirect("maillog:detail", new)
    context = {"mail": mail, "form": form, "hindrance": hindrance}
    return render(request, "mailadmin/resend.html", context, status=422 if posted else 200)


def reissue(request: SignedInRequest, mail: Message) -> HttpResponse:
    """Ask whether a fresh mail is to go to the account's own address, and send it."""
    hindrance = reissuing.refusal_reason(mail)
    if request.method == "POST" and not hindrance:
        try:
            new = reissuing.reissue(mail, actor=request.user)
        except reissuing.NotReissued as error:
            hindrance = str(error)
        else:
            messages.success(
                request, gettext("A new link goes out with this mail. It takes the place of mail %d.") % mail.pk
            )
            return redirect("maillog:detail", new)
    context = {"mail": mail, "hindrance": hindrance}
    return render(request, "mailadmin/new_link.html", context, status=422 if request.method == "POST" else 200)


def found(mail_id: int) -> Message:
    """Return the mail. Raises Http404."""
    try:
        return lookup.mail_by_id(mail_id)
    except Message.DoesNotExist as error:
        raise Http404 from error
