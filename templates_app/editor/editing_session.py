"""The editing session of one person: a document's draft over its published version, and the values of the preview.

Saves through `publishing`. Knows forms, but no pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from templates_app.content.content import LANGUAGE, Content, Texts, key_parts
from templates_app.editor import draft_preview
from templates_app.editor.forms import EditorForm
from templates_app.editor.sample_form import SampleValuesForm
from templates_app.library import publishing
from templates_app.models import Document, Draft, SharedValue, Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.base_user import AbstractBaseUser

    from templates_app.content.content import Variable

INSERTS = {
    "date": "{{{{ {name}|date }}}}",
    "datetime": "{{{{ {name}|datetime }}}}",
    "number": "{{{{ {name}|number }}}}",
    "boolean": "{{% if {name} %}}{{% endif %}}",
    "list": "{{% for one in {name} %}}{{{{ one }}}}{{% endfor %}}",
}
BUILTIN_NAMES = ("language", "base_url")


@dataclass(frozen=True, slots=True)
class VariableChip:
    """A button that inserts a variable. `inserts` is the text; `shared`: every template has this variable."""

    name: str
    inserts: str
    hint: str
    shared: bool = False


@dataclass
class EditingSession:
    """`user` edits `document`, in one language, with one sample in the preview."""

    document: Document
    user: AbstractBaseUser
    draft: Draft | None
    wanted_language: str = ""
    wanted_choice: str = ""
    content: Content = field(init=False)

    def __post_init__(self) -> None:
        if self.draft is not None:
            self.content = self.draft.read()
        else:
            published = self.document.published
            self.content = published.read() if published else Content()

    @property
    def address(self) -> list[str]:
        """The arguments of the document's URLs: project, kind, key."""
        return [self.document.project.key, self.document.kind, self.document.key]

    def query(self, **more: str) -> str:
        """Return a query string with this language and sample, and `more`."""
        return urlencode({"language": self.language, "sample": self.choice.key, **more})

    @property
    def is_template(self) -> bool:
        """Whether it is a template. Parts have neither subject nor variables."""
        return self.document.kind == Document.Kind.TEMPLATE

    @property
    def revision(self) -> int:
        """The draft's revision, 0 without a draft."""
        return self.draft.revision if self.draft else 0

    @property
    def based_on(self) -> Version | None:
        """The version that the draft is based on."""
        return self.draft.based_on if self.draft else self.document.published

    @property
    def newer_version(self) -> Version | None:
        """The published version, if the draft is not based on it."""
        published = self.document.published
        return published if self.draft and published and self.draft.based_on_id != published.pk else None

    @property
    def language(self) -> str:
        """The language that is edited and previewed."""
        wanted = self.wanted_language
        return wanted if LANGUAGE.fullmatch(wanted) else self.content.default_language

    @property
    def languages(self) -> list[str]:
        """The languages to choose from, the default first, including one without texts that is being edited."""
        default = self.content.default_language
        return [default, *sorted({*self.content.languages, self.language} - {default})]

    @cached_property
    def choices(self) -> list[draft_preview.SampleChoice]:
        """The samples to choose from."""
        return draft_preview.sample_choices(self.document, self.content)

    @property
    def choice(self) -> draft_preview.SampleChoice:
        """The chosen sample, with the values as this person last typed them."""
        found = next((one for one in self.choices if one.key == self.wanted_choice), self.choices[0])
        return (
            replace(found, values=self.sample_values[found.key]["values"]) if found.key in self.sample_values else found
        )

    @property
    def sample_values(self) -> dict[str, Any]:
        """Values typed but not stored in a sample, with the original ones: ``{key: {"values", "original"}}``."""
        return self.draft.sample_values if self.draft else {}

    @property
    def is_sample_changed(self) -> bool:
        """Whether the values differ from those of the stored sample."""
        return self.choice.key in self.sample_values

    def form(self, data: Mapping[str, Any] | None = None, **base: int) -> EditorForm:
        """Return the form of this language; `base` replaces the `revision` and `based_on` of the draft."""
        began = self.based_on.number if self.based_on else 0
        return EditorForm(
            data,
            content=self.content,
            language=self.language,
            is_template=self.is_template,
            **{"revision": self.revision, "based_on": began, **base},
        )

    def sample_form(self) -> SampleValuesForm:
        """Return the form of the chosen sample's values."""
        return SampleValuesForm(self.content.variables, self.choice.values)

    def save(self, content: Content, revision: int) -> None:
        """Save `content`, typed over the draft's `revision`, unless nothing changed. Raises publishing.Conflict."""
        if revision == self.revision and content == self.content:
            return
        self.draft = publishing.save_draft(self.document, self.user, content, revision)
        self.content = content
        self.__dict__.pop("choices", None)

    def typed_values(self, data: Mapping[str, Any], variables: Sequence[Variable]) -> SampleValuesForm | None:
        """Return the sample values in a posted form, None if it has none."""
        if not self.is_template or "sample_shown" not in data or "values_json" not in data:
            return None
        return SampleValuesForm(variables, {}, data)

    def store_values(self, key: str, typed: SampleValuesForm | None) -> None:
        """Store the typed values of the choice `key` with the draft; if they equal the sample's, remove them."""
        stored = next((one.values for one in self.choices if one.key == key), None)
        if stored is None or typed is None or not typed.changed:
            return
        values = typed.values
        changed = {one: kept for one, kept in self.sample_values.items() if one != key}
        if dict(values) != dict(stored):
            original = self.sample_values[key]["original"] if key in self.sample_values else dict(stored)
            changed[key] = {"values": dict(values), "original": original}
        self._store_sample_values(changed)

    def discard_values(self, key: str) -> None:
        """Remove the typed values of the choice `key`, which are now stored in a sample."""
        self._store_sample_values({one: kept for one, kept in self.sample_values.items() if one != key})

    def _store_sample_values(self, changed: dict[str, Any]) -> None:
        if changed == self.sample_values:
            return
        if self.draft is None:
            self.draft = publishing.save_draft(self.document, self.user, self.content, 0)
        Draft.objects.filter(pk=self.draft.pk).update(sample_values=changed)
        self.draft.sample_values = changed

    def preview(self, *, values: Mapping[str, Any] | None = None, lint: bool = False) -> draft_preview.DraftPreview:
        """Render what is being edited in this language, with the values of the chosen sample or with `values`."""
        choice = self.choice if values is None else replace(self.choice, values=values)
        return draft_preview.preview_draft(self.document, self.content, self.language, choice, lint=lint)

    def chips(self) -> list[VariableChip]:
        """Return the variables to insert: the template's own, then those that every template has."""
        own = [variable_chip(one) for one in self.content.variables]
        shared = SharedValue.objects.values_list("name", "description")
        always = [(name, "") for name in BUILTIN_NAMES]
        return own + [VariableChip(name, f"{{{{ {name} }}}}", hint, shared=True) for name, hint in [*shared, *always]]


def template_session(key: str, user: AbstractBaseUser, *, language: str, choice: str) -> EditingSession | None:
    """Return the session of `user` for the template ``project/key``, None if there is no such template."""
    parts = key_parts(key)
    if parts is None:
        return None
    project, name = parts
    templates = Document.objects.filter(kind=Document.Kind.TEMPLATE).select_related("project", "published")
    document = templates.filter(project__key=project, key=name).first()
    if document is None:
        return None
    return EditingSession(
        document, user, publishing.draft_of(document, user), wanted_language=language, wanted_choice=choice
    )


def variable_chip(variable: Variable) -> VariableChip:
    """Return the chip of a declared variable; what it inserts depends on the type."""
    pattern = INSERTS.get(variable.type, "{{{{ {name} }}}}")
    return VariableChip(variable.name, pattern.format(name=variable.name), variable.description)


def with_language_removed(content: Content, language: str) -> Content:
    """Return `content` without `language`, unless it is the default one."""
    kept = {one: texts for one, texts in content.languages.items() if one != language}
    return content if language == content.default_language else replace(content, languages=kept)


def with_language_copied(content: Content, language: str, source: str) -> Content:
    """Return `content` with the texts of `source` also in `language`."""
    copied = content.languages.get(source, Texts())
    return replace(content, languages={**content.languages, language: copied})
