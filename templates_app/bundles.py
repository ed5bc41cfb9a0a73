"""Collects everything needed to render a template: its content, the parts that it uses, the shared values.

Where the database has no published version of a built-in template or part, the file that ships with the program is
used, so account messages always work.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.db.models import Q

from templates_app.builtin_files import builtin_documents, builtin_projects
from templates_app.content.content import Content, key_parts
from templates_app.engine.engine import Bundle
from templates_app.engine.parts import parts_used_in
from templates_app.engine.template_errors import Problem, UnknownTemplateError
from templates_app.models import Document, SharedValue

MAX_DEPTH = 20  # levels of parts within parts


def published_bundle(key: str) -> Bundle:
    """Return the bundle of a published or built-in template. Raises UnknownTemplateError if there is none."""
    parts = key_parts(key)
    if parts is None:
        raise UnknownTemplateError(
            [Problem(key[:101], "values", 0, "This is not a template key such as account/welcome.")]
        )
    project, name = parts
    document = (
        Document.objects.filter(kind=Document.Kind.TEMPLATE, project__key=project, key=name, published__isnull=False)
        .select_related("published")
        .first()
    )
    if document is not None and document.published is not None:
        content, version = document.published.read(), document.published.number
    elif (file := builtin_documents().get((Document.Kind.TEMPLATE.value, key))) is not None:
        content, version = file.content, 0
    else:
        raise UnknownTemplateError([Problem(key, "values", 0, "There is no published template with this key.")])
    return Bundle(key=key, content=content, parts=parts_of(content, key), shared=shared_values(), version=version)


def bundle_of(document: Document, content: Content, *, part: tuple[Document, Content] | None = None) -> Bundle:
    """Return `content`, a draft or an old version of `document`, with the published parts that it uses.

    `part` is a part and the draft of it to use in place of its published version.
    """
    key = document.full_key
    return Bundle(
        key=key,
        content=content,
        parts=parts_of(content, key, overrides={part[0].full_key: part[1]} if part is not None else None),
        shared=shared_values(),
        is_part=document.kind == Document.Kind.PART,
    )


def parts_of(content: Content, key: str, *, overrides: Mapping[str, Content] | None = None) -> dict[str, Content]:
    """Return the parts that `content` of the document `key` uses, directly or through others, by full key.

    `overrides` replace published parts. Parts that do not exist are left out.
    """
    found: dict[str, Content] = {}
    unknown: set[str] = set()
    wanted = parts_used_in(content, key)
    for _ in range(MAX_DEPTH):
        wanted -= found.keys() | unknown
        if not wanted:
            break
        loaded = load_parts(wanted, overrides or {})
        unknown |= wanted - loaded.keys()
        found |= loaded
        wanted = {name for part, its_content in loaded.items() for name in parts_used_in(its_content, part)}
    return found


def load_parts(keys: set[str], overrides: Mapping[str, Content]) -> dict[str, Content]:
    """Return the content of those of the parts `keys` that exist."""
    found = {key: overrides[key] for key in keys if key in overrides}
    condition = Q()
    for key in keys - found.keys():
        if parts := key_parts(key):
            condition |= Q(project__key=parts[0], key=parts[1])
    if condition:
        documents = Document.objects.filter(condition, kind=Document.Kind.PART, published__isnull=False)
        for document in documents.select_related("project", "published"):
            if document.published is not None:
                found[document.full_key] = document.published.read()
    for key in keys - found.keys():
        if (file := builtin_documents().get((Document.Kind.PART.value, key))) is not None:
            found[key] = file.content
    return found


def shared_values() -> dict[str, str]:
    """Return the values that every template can use, by name; stored values override built-in ones."""
    shared = {name: document.value for project in builtin_projects() for name, document in project.shared.items()}
    shared.update(SharedValue.objects.values_list("name", "value"))
    shared["base_url"] = settings.BASE_URL
    return shared
