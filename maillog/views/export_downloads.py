"""Downloads of everything that a search matches, as CSV or JSON lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from maillog.models import Message
from maillog.search import export as exporting
from maillog.search.filters import MessageFilter
from maillog.search.results import SearchResult

FORMATS: dict[str, tuple[str, Callable[[SearchResult], Iterator[str]]]] = {
    "csv": ("text/csv; charset=utf-8", exporting.csv_lines),
    "jsonl": ("application/jsonl; charset=utf-8", exporting.json_lines),
}


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """Stream all matching messages. An invalid filter redirects to the list, which shows what is wrong with it."""
    filters = MessageFilter(request.GET, Message.objects.all())
    if not filters.is_valid():
        return redirect(f"{reverse('maillog:list')}?{request.GET.urlencode()}")
    content_type, lines = FORMATS[form]
    name = f"mails-{timezone.localtime():%Y-%m-%d-%H%M}.{form}"
    return StreamingHttpResponse(
        (piece.encode() for piece in lines(filters.result)),
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )
