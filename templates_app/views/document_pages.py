"""The page of a template or part, and the frame that shows it rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from templates_app import bundles, part_usage
from templates_app.content.content import Content
from templates_app.library import mail_counts
from templates_app.library.builtin_seeding import newer_builtin
from templates_app.library.publish_checks import languages_of
from templates_app.library.publishing import draft_of
from templates_app.library.version_preview import FRAME_POLICY, VersionPreview, frame_document, preview_version
from templates_app.models import Document, Version
from templates_app.views.document_lookup import current_user, document_or_404, int_parameter, read_page, version_or_404

if TYPE_CHECKING:
    from django.http import HttpRequest

SHOWN_VERSIONS = 5
TABS = ("html", "text", "source")


@dataclass(frozen=True, slots=True)
class PreviewChoice:
    """A version to show with a sample in a language."""

    version: Version | None
    content: Content
    sample: str
    language: str

    def query(self, **more: str) -> str:
        """Return the choice as a query string, starting with "?"."""
        version = str(self.version.number) if self.version else ""
        values = {"version": version, "sample": self.sample, "language": self.language, **more}
        return "?" + urlencode({name: value for name, value in values.items() if value})


@read_page
def document(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show a template or part: preview, facts, variables, samples, versions."""
    one = document_or_404(project, kind, key)
    context: dict[str, Any] = {
        "document": one,
        "published": one.published,
        "draft": draft_of(one, current_user(request)),
        "others": list(one.drafts.exclude(user_id=current_user(request).pk).select_related("user")[:10]),
        "versions": list(one.versions.defer("content")[: SHOWN_VERSIONS + 1]),
        "shown_versions": SHOWN_VERSIONS,
        "newer_builtin": newer_builtin(one),
    }
    using = None
    if one.kind == Document.Kind.PART:
        using = context["users"] = part_usage.templates_using(one)
    if one.published:
        context |= {"content": one.published.read()} | preview_context(request, one, one.published, using)
        context["parts"] = parts_used_by(one)
    if one.kind == Document.Kind.TEMPLATE:
        context |= {
            "samples": list(one.samples.all()),
            "use": mail_counts.use_of(one.full_key),
            "days": mail_counts.DAYS,
        }
    return render(request, "templates_app/document_detail.html", context)


def parts_used_by(document: Document) -> list[Document]:
    """Return the parts that the published version uses, sorted by key."""
    if document.published is None:
        return []
    wanted = set(bundles.bundle_of(document, document.published.read()).parts) - {document.full_key}
    parts = Document.objects.filter(kind=Document.Kind.PART).select_related("project")
    found = parts.filter(project__key__in={key.partition("/")[0] for key in wanted}).order_by("project__key", "key")
    return [one for one in found if one.full_key in wanted]


def preview_context(
    request: HttpRequest, document: Document, version: Version, using: list[Document] | None = None
) -> dict[str, Any]:
    """Return the context of `_preview.html` for the sample, language and tab in the query string."""
    choice = chosen_preview(request, document, version)
    tab = request.GET.get("tab", "")
    tab = tab if tab in TABS else "html"
    shown = preview_version(document, choice.content, sample=choice.sample, language=choice.language, using=using)
    texts = choice.content.languages.get(choice.language)
    return {
        "shown": shown,
        "choice": choice,
        "languages": languages_of(choice.content),
        "texts": texts,
        "tab": tab,
        "tabs": [
            (one, label, one == tab, choice.query(tab=one))
            for one, label in (("html", _("HTML")), ("text", _("Text")), ("source", _("Source")))
        ],
        "frame_url": reverse("templates_app:frame", args=[document.project.key, document.kind, document.key])
        + choice.query(),
    }


def chosen_preview(request: HttpRequest, document: Document, version: Version | None) -> PreviewChoice:
    """Return the choice in the query string; what does not exist is replaced by a default. Raises Http404."""
    number = int_parameter(request, "version")
    if version is None:
        version = version_or_404(document, number) if number else document.published
    if version is None:
        raise Http404
    content = version.read()
    language = request.GET.get("language", "")
    return PreviewChoice(
        version=version,
        content=content,
        sample=request.GET.get("sample", "")[:100],
        language=language if language in content.languages else content.default_language,
    )


@read_page
def frame(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show only the rendered HTML, for the sandboxed frame."""
    one = document_or_404(project, kind, key)
    choice = chosen_preview(request, one, None)
    shown: VersionPreview = preview_version(one, choice.content, sample=choice.sample, language=choice.language)
    if shown.rendered is None or not shown.rendered.html:
        raise Http404
    return framed_response(shown.rendered.html)


def framed_response(html: str) -> HttpResponse:
    """Return `html` for a sandboxed frame, which runs no scripts and loads nothing."""
    return HttpResponse(
        frame_document(html),
        headers={
            "Content-Security-Policy": FRAME_POLICY,
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "no-referrer",
            "X-DNS-Prefetch-Control": "off",  # otherwise Chromium looks up the host of every link
            "Cache-Control": "private, no-store",
        },
    )
