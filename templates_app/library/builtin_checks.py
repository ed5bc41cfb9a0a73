"""Checks the built-in templates on the disk by rendering all of them."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from templates_app.builtin_files import BUILTIN
from templates_app.engine.engine import Bundle, render_bundle
from templates_app.engine.template_errors import TemplateError
from templates_app.files.folders import FilesError, read_folder
from templates_app.library.publish_checks import languages_of


def builtin_problems(folder: Path = BUILTIN) -> list[str]:
    """Return one line per problem of the templates in `folder`, rendered with each sample in each language."""
    try:
        projects = read_folder(folder)
    except FilesError as error:
        return [str(problem) for problem in error.problems]
    shared = {name: one.value for project in projects for name, one in project.shared.items()}
    shared["base_url"] = settings.BASE_URL
    documents = [(f"{project.key}/{one.key}", one) for project in projects for one in project.documents]
    parts = {key: one.content for key, one in documents if one.kind == "part"}
    found: list[str] = []
    for key, one in documents:
        if one.kind != "template":
            continue
        bundle = Bundle(key=key, content=one.content, parts=parts, shared=shared)
        for values in one.samples.values():
            for language in languages_of(one.content):
                try:
                    render_bundle(bundle, values, language)
                except TemplateError as error:
                    found += [str(problem) for problem in error.problems]
    return list(dict.fromkeys(found))
