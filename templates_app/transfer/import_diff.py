"""A document from outside beside what is stored in its place, and what differs. Compares; writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from templates_app.content.content import Content, Texts
from templates_app.files.project_files import FOLDERS, DocumentFiles, ProjectFiles
from templates_app.models import Document, Project, Sample, Version


@dataclass
class ImportedDocument:
    """A document that comes along, and what is stored in its place. What differs is found once, before writing."""

    project: str
    files: DocumentFiles
    stored: Document | None = None
    samples: dict[str, Sample] = field(default_factory=dict)  # the stored ones

    @property
    def full_key(self) -> str:
        """The whole key."""
        return f"{self.project}/{self.files.key}"

    @property
    def has_text(self) -> bool:
        """Whether it says anything; what was never published does not."""
        return self.files.content != Content()

    @property
    def is_empty_place(self) -> bool:
        """Whether nothing is published where it goes."""
        return self.stored is None or self.stored.published is None

    @cached_property
    def publishes(self) -> bool:
        """Whether it says something else than what is published."""
        if not self.has_text:
            return False
        if self.stored is None or self.stored.published is None:
            return True
        return self.publishes_beside(self.stored.published)

    def publishes_beside(self, published: Version) -> bool:
        """Whether it says something else than `published`."""
        return self.has_text and exportable(self.files.kind, published.read()).digest != self.files.content.digest

    @cached_property
    def changes_facts(self) -> bool:
        """Whether name, description or tags differ from the stored ones."""
        return self.stored is not None and metadata(self.stored) != metadata(self.files)

    @cached_property
    def changed_samples(self) -> list[str]:
        """The names of samples that are new or have other values."""
        return [
            name
            for name, values in self.files.samples.items()
            if name not in self.samples or self.samples[name].values != dict(values)
        ]

    @property
    def folder(self) -> str:
        """Where its files lie."""
        return f"{self.project}/{FOLDERS[self.files.kind]}/{self.files.key}"


def metadata(one: Project | Document | ProjectFiles | DocumentFiles) -> tuple[str, str, list[str]]:
    """Return name, description and tags."""
    return one.name, one.description, list(one.tags)


def exportable(kind: str, content: Content) -> Content:
    """Return what a folder can hold of a content: a part has neither subjects nor variables."""
    if kind == "template":
        return content
    languages = {name: Texts(html=texts.html, text=texts.text) for name, texts in content.languages.items()}
    return replace(content, languages=languages, variables=())
