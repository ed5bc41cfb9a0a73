"""The documentation of the API, as a page and as an OpenAPI document."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mailadmin.http_api import ROOT, auth
from mailadmin.http_api.docs import groups
from mailadmin.http_api.ninja_api import description
from mailadmin.http_api.problems import Problem


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show every operation with its parameters, body and response."""
    context = {"groups": groups(), "root": f"{settings.BASE_URL}{ROOT}"}
    return render(request, "mailadmin/api_docs.html", context)


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Return the OpenAPI document to people who are signed in and to programs with a key."""
    if not request.user.is_authenticated:
        try:
            auth.authenticate(request)
        except Problem as problem:
            return problem.response()
    return JsonResponse(description())
