"""The suppression list: its addresses, adding one, removing one."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mailadmin.operations.recipient_forms import SuppressionForm
from mailadmin.views.recipient_pages import recipient_url
from maillog import suppressions
from maillog.models import Suppression
from maillog.requests import SignedInRequest
from maillog.search.paging import Page, page_of_rows
from maillog.suppression_filter import SuppressionFilter

PERMISSIONS = ["maillog.view_log", "maillog.suppress_address"]


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    """Show the suppressed addresses, newest first, 50 per page."""
    filters = SuppressionFilter(request.GET, suppressions.all_in_force())
    page: Page[Suppression] = Page()
    misplaced = False
    if filters.is_valid():
        try:
            page = page_of_rows(filters.qs, request.GET)
        except ValueError:
            misplaced = True
    rows = [(row, recipient_url(row.address)) for row in page.rows]
    context = {"form": filters.form, "page": page, "rows": rows, "misplaced": misplaced}
    return render(request, "mailadmin/suppression_list.html", context)


@permission_required(PERMISSIONS, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    posted = request.method == "POST"
    given = {name: request.GET[name] for name in ("address", "mail") if name in request.GET}
    form = SuppressionForm(request.POST) if posted else SuppressionForm(initial=given)
    if posted and form.is_valid():
        data = form.cleaned_data
        row, is_new = suppressions.suppress(
            data["address"], by=request.user, reason=data["reason"], mail_number=data["mail"]
        )
        if is_new:
            messages.success(request, gettext("%s is suppressed and receives no email from now on.") % row.address)
        else:
            messages.info(request, gettext("%s was already suppressed; nothing was changed.") % row.address)
        return redirect(recipient_url(row.address))
    return render(request, "mailadmin/suppression_form.html", {"form": form}, status=422 if posted else 200)


@permission_required(PERMISSIONS, raise_exception=True)
@require_POST
def removal(request: SignedInRequest, pk: int) -> HttpResponse:
    row = Suppression.objects.filter(pk=pk).first()
    if row is None:
        raise Http404
    if suppressions.lift(pk, by_name=str(request.user)):
        messages.success(request, gettext("%s can receive email again.") % row.address)
    else:
        messages.info(request, gettext("%s was no longer on the list.") % row.address)
    return redirect(recipient_url(row.address))
