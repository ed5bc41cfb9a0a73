"""Published templates with their languages and samples, and rendering them with test values. Sends nothing.

People type the values, so rendering happens in the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from templates_app import bundles
from templates_app.content.content import Content, Variable, key_parts
from templates_app.engine.template_errors import TemplateError
from templates_app.library.publish_checks import languages_of, samples_of
from templates_app.models import Document
from templates_app.rendering import RenderedMail
from templates_app.sandbox import client


class SandboxUnavailableError(Exception):
    """The template was not rendered: the sandbox is busy or not available."""


@dataclass(frozen=True, slots=True)
class SampledTemplate:
    """A published template. `languages`: the default first; `samples`: values by name, at least one."""

    key: str
    languages: tuple[str, ...]
    samples: Mapping[str, Mapping[str, Any]]
    content: Content

    def has_language(self, language: str) -> bool:
        """Return whether there are texts for `language` or its base language: de for de-AT, and the other way round."""
        wanted = language.replace("_", "-").casefold().split("-")[0]
        return any(wanted == one.casefold().split("-")[0] for one in self.languages)


@dataclass(frozen=True, slots=True)
class PublishedTemplate:
    """A published template without its texts. `languages`: the default first."""

    key: str
    name: str
    description: str
    version: int
    languages: tuple[str, ...]
    variables: tuple[Variable, ...]


def published_templates(count: int, *, after: str = "") -> list[PublishedTemplate]:
    """Return up to `count` published templates by key, starting behind the key `after`: one query."""
    documents = Document.objects.filter(kind=Document.Kind.TEMPLATE, published__isnull=False)
    project, _, key = after.partition("/")
    if after:
        documents = documents.filter(Q(project__key__gt=project) | Q(project__key=project, key__gt=key))
    found = []
    for document in documents.select_related("project", "published").order_by("project__key", "key")[:count]:
        assert document.published is not None  # noqa: S101  (for the type checker)
        content = document.published.read()
        found.append(
            PublishedTemplate(
                key=document.full_key,
                name=document.name,
                description=document.description,
                version=document.published.number,
                languages=tuple(languages_of(content)),
                variables=content.variables,
            )
        )
    return found


def published_names() -> dict[str, list[tuple[str, str]]]:
    """Return (key, name) of all published templates, by name of the project: one query."""
    found: dict[str, list[tuple[str, str]]] = {}
    rows = Document.objects.filter(kind=Document.Kind.TEMPLATE, published__isnull=False)
    for project, project_key, key, name in rows.order_by("project__name", "project__key", "name", "key").values_list(
        "project__name", "project__key", "key", "name"
    ):
        found.setdefault(project, []).append((f"{project_key}/{key}", name))
    return found


def sampled_template(key: str) -> SampledTemplate | None:
    """Return the published template `key` (``project/name``), None if there is none."""
    parts = key_parts(key)
    if parts is None:
        return None
    project, name = parts
    templates = Document.objects.filter(kind=Document.Kind.TEMPLATE, published__isnull=False)
    document = templates.select_related("published").filter(project__key=project, key=name).first()
    if document is None or document.published is None:
        return None
    content = document.published.read()
    return SampledTemplate(
        key=key, languages=tuple(languages_of(content)), samples=samples_of(document, content), content=content
    )


def render_published(key: str, values: Mapping[str, Any], *, language: str = "") -> RenderedMail:
    """Render the published template `key` with plain JSON `values`.

    Raises UnknownTemplateError, TemplateError (values or template are at fault), SandboxUnavailableError.
    """
    bundle = bundles.published_bundle(key)
    outcome = client.render_all(bundle, [("", values, language)])[0]
    if outcome.rendered is None:
        problems = list(outcome.problems)
        if any(problem.message in {client.BUSY, client.UNREACHABLE} for problem in problems):
            raise SandboxUnavailableError(problems[0].message)
        raise TemplateError(problems)
    found = outcome.rendered
    return RenderedMail(
        key=key,
        language=found.language,
        subject=found.subject,
        text=found.text,
        html=found.html,
        version=bundle.version,
    )
