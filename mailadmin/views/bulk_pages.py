"""Pages of bulk actions: what an action would change, starting it, and its progress. The worker runs it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mailadmin.delivery.wakeup import enqueue_task
from mailadmin.models import BulkAction
from mailadmin.operations import bulk
from mailadmin.operations.forms import NumbersField
from mailadmin.tasks import run_bulk_actions
from maillog.requests import SignedInRequest
from maillog.search import counts
from maillog.search.filters import MessageFilter
from maillog.search.paging import LARGEST_ID
from maillog.search.query import MAX_LENGTH

PAGE_PARAMETERS = frozenset({"do", "ids", "all", "up_to", "csrfmiddlewaretoken", "before", "after"})
MAX_FILTER = 20 * MAX_LENGTH  # characters of a stored query string


class BulkActionForm(forms.Form):
    """The action and its messages. `all` means the filter in the same query string."""

    do = forms.ChoiceField(label=_("Action"), choices=BulkAction.Action.choices, required=False)
    ids = NumbersField(label=_("Messages"))
    all = forms.BooleanField(label=_("All that match"), required=False)
    up_to = forms.IntegerField(label=_("Newest message"), required=False, min_value=0, max_value=LARGEST_ID)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        if data.get("all"):
            self.fields.pop("ids")
        self.query = filter_query(data) if data.get("all") else ""

    def clean(self) -> dict[str, Any]:
        """Refuse a filter that the log's page would refuse."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if len(self.query) > MAX_FILTER:
            self.add_error(None, gettext("The filter is too long."))
        elif self.query:
            found = MessageFilter(QueryDict(self.query))
            for name, problems in found.form.errors.items():
                label = found.form.fields[name].label if name in found.form.fields else name
                self.add_error(None, f"{label}: {' '.join(map(str, problems))}")
        return data

    @property
    def target_arguments(self) -> dict[str, Any]:
        """Arguments for `bulk.targets`."""
        return {"query": self.query, "ids": self.cleaned_data.get("ids") or ()}

    def address(self, **changes: str) -> str:
        """Return the query string that names the same messages."""
        ids = [("ids", str(number)) for number in self.cleaned_data.get("ids") or ()]
        own = urlencode([*(ids or [("all", "1")]), *changes.items()])
        return "?" + "&".join(part for part in (own, self.query) if part)


def filter_query(data: QueryDict) -> str:
    """Return the filter in `data` as a query string for the log's page, without this page's own parameters."""
    kept = [(name, value) for name, values in data.lists() if name not in PAGE_PARAMETERS for value in values if value]
    return urlencode(kept)


@permission_required("maillog.view_log", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: SignedInRequest) -> HttpResponse:
    """Show what each action would change; ask for confirmation of a chosen one; start it once confirmed."""
    posted = request.method == "POST"
    form = BulkActionForm(request.POST if posted else request.GET)
    allowed = bulk.allowed_actions(request.user)
    context: dict[str, Any] = {"form": form, "allowed": allowed}
    valid = form.is_valid()
    do = form.cleaned_data.get("do") or ""
    if valid and do and do not in allowed:
        raise PermissionDenied(gettext("You don't have permission to do that."))
    if valid and posted and (not do or form.cleaned_data["up_to"] is None):
        form.add_error(None, gettext("The action or the id of the newest message is missing. Reload the page."))
    if form.errors:
        return render(request, "mailadmin/bulk_action_new.html", context, status=422 if posted else 200)
    up_to = form.cleaned_data["up_to"] if posted else counts.newest_id()
    context |= {
        "up_to": up_to,
        "query": form.query,
        "pairs": hidden_fields(form),
        "chosen": form.cleaned_data.get("ids"),
    }
    if not do:
        actions = ((BulkAction.Action(name), form.address(do=name)) for name in allowed)
        context["actions"] = [(one, count_targets(form, one, up_to), address) for one, address in actions]
        return render(request, "mailadmin/bulk_action_new.html", context)
    count = count_targets(form, do, up_to)
    if posted and count:
        with transaction.atomic():
            one = bulk.create(do, actor=request.user, total=count, up_to=up_to, **form.target_arguments)
            transaction.on_commit(lambda: enqueue_task(run_bulk_actions), robust=True)
        return redirect("maillog_actions:bulk", one.pk)
    context |= {"do": do, "label": BulkAction.Action(do).label, "count": count, "back": form.address()}
    return render(request, "mailadmin/bulk_action_new.html", context, status=422 if posted else 200)


def count_targets(form: BulkActionForm, action: str, up_to: int) -> int:
    """Return exactly how many messages the action would change now."""
    return bulk.targets(action, **form.target_arguments, up_to=up_to).count()


def hidden_fields(form: BulkActionForm) -> list[tuple[str, str]]:
    """Return the hidden fields of the confirmation form."""
    ids = [("ids", str(number)) for number in form.cleaned_data.get("ids") or ()]
    query = [(name, value) for name, values in QueryDict(form.query).lists() for value in values]
    return [*ids, *query, *([] if ids else [("all", "1")])]


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def progress(request: SignedInRequest, pk: int) -> HttpResponse:
    """Show the progress of a bulk action; while it runs, the page reloads it every two seconds."""
    one = existing(pk)
    context = {
        "one": one,
        "reasons": [(gettext(reason), count) for reason, count in one.reasons.items()],
        "note": gettext(one.note) if one.note else "",
        "may_stop": one.is_open and one.action in bulk.allowed_actions(request.user),
        "scale": max(one.total, one.processed, 1),
    }
    template = "mailadmin/_bulk_action_progress.html" if request.htmx else "mailadmin/bulk_action.html"
    return render(request, template, context)


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    return render(request, "mailadmin/bulk_action_list.html", {"bulk_actions": BulkAction.objects.order_by("-id")[:50]})


@permission_required("maillog.view_log", raise_exception=True)
@require_POST
def stop(request: SignedInRequest, pk: int) -> HttpResponse:
    """Stop a bulk action; requires the permission to start it."""
    one = existing(pk)
    if one.action not in bulk.allowed_actions(request.user):
        raise PermissionDenied(gettext("You don't have permission to do that."))
    bulk.stop(one.pk, by=request.user)
    return redirect("maillog_actions:bulk", one.pk)


def existing(pk: int) -> BulkAction:
    """Return the bulk action. Raises Http404."""
    try:
        return BulkAction.objects.get(pk=pk)
    except (BulkAction.DoesNotExist, OverflowError) as error:
        raise Http404 from error
