"""Renders a version with one of its samples, and prepares the HTML for a sandboxed frame.

Rendering happens in the sandbox process, because old versions were checked with other parts than today's. The response
keeps the frame harmless (see `FRAME_POLICY`): no scripts, no requests, no forms, no windows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from templates_app import bundles, part_usage
from templates_app.content.content import Content
from templates_app.engine.engine import Rendered
from templates_app.engine.template_errors import Problem
from templates_app.library.publish_checks import samples_of
from templates_app.models import Document
from templates_app.sandbox import client

FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
# Chromium connects to the host of a frame before it refuses the frame, and to that of <link rel="preconnect">.
CONNECTING_TAG = re.compile(r"<(?=(?:link|iframe|frame|fencedframe|object|embed|portal)[\s/>])", re.IGNORECASE)
# The frame's sandbox refuses new windows, so links with this target do nothing. The first <base> counts.
FRAME_HEAD = '<!doctype html><meta charset="utf-8"><base target="_blank">'


@dataclass(frozen=True, slots=True)
class VersionPreview:
    """The result of rendering a version with a sample. `inside` is the template that a part is shown in."""

    rendered: Rendered | None
    problems: tuple[Problem, ...]
    sample: str
    samples: tuple[str, ...]
    inside: Document | None = None


def preview_version(
    document: Document,
    content: Content,
    *,
    sample: str = "",
    language: str = "",
    using: Sequence[Document] | None = None,
) -> VersionPreview:
    """Render `content` with the sample of that name, or the first one if there is none.

    A part is shown in the first of the published templates `using` it (looked up if not given); a part that no template
    uses is not rendered.
    """
    template, of_template = document, content
    bundle = bundles.bundle_of(document, content)
    if document.kind == Document.Kind.PART:
        using = part_usage.templates_using(document) if using is None else using
        if not using:
            return VersionPreview(None, (), "", ())
        template = using[0]
        of_template = template.published.read() if template.published else Content()
        bundle = bundles.bundle_of(template, of_template, part=(document, content))
    values: Mapping[str, Mapping[str, Any]] = samples_of(template, of_template)
    name = sample if sample in values else next(iter(values))
    outcome = client.render_one(bundle, values[name], language)
    inside = template if template is not document else None
    return VersionPreview(outcome.rendered, tuple(outcome.problems), name, tuple(values), inside)


def frame_document(html: str) -> str:
    """Return `html` without tags that open connections, and with links that do nothing."""
    return FRAME_HEAD + CONNECTING_TAG.sub("<x-", html)
