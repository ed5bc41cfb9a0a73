"""Deletes one message after a confirmation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from maillog.models import Message
from maillog.retention import deletion
from maillog.views.message_page import message_or_404

if TYPE_CHECKING:
    from maillog.requests import SignedInRequest


@permission_required(["maillog.view_log", "maillog.delete_mail"], raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: SignedInRequest, mail_id: int) -> HttpResponse:
    """Confirm, then delete a finished message; answer 422 if it has not ended."""
    mail = message_or_404(mail_id)
    if request.method == "POST" and deletion.delete([mail.pk], actor=request.user):
        messages.success(request, gettext("Message %d was deleted.") % mail_id)
        return redirect("maillog:list")
    ended = deletion.deletable(Message.objects.filter(pk=mail.pk)).exists()
    context = {"mail": mail, "ended": ended}
    return render(request, "maillog/message_delete.html", context, status=422 if request.method == "POST" else 200)
