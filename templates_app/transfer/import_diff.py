"""Compares an imported document with the stored one. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from templates_app.content.content import Content, Texts
from templates_app.files.project_files import FOLDERS, DocumentFiles, ProjectFiles
from templates_app.models import Document, Project, Sample, Version


@dataclass
class ImportedDocument:
    """An imported document and the stored one with its key, if any. Differences are computed once, before writing."""

    project: str
    files: DocumentFiles
    stored: Document | None = None
    samples: dict[str, Sample] = field(default_factory=dict)  # the stored ones

    @property
    def full_key(self) -> str:
        return f"{self.project}/{self.files.key}"

    @property
    def document(self) -> Document:
        """The stored document, or one that is not saved yet."""
        return self.stored or Document(project=Project(key=self.project), kind=self.files.kind, key=self.files.key)

    @property
    def has_text(self) -> bool:
        """Whether it has content; a document that was never published has none."""
        return self.files.content != Content()

    @property
    def is_unpublished(self) -> bool:
        """Whether there is no published version to compare it with."""
        return self.stored is None or self.stored.published is None

    @cached_property
    def publishes(self) -> bool:
        """Whether it must be published, because its content is new or differs."""
        if not self.has_text:
            return False
        if self.stored is None or self.stored.published is None:
            return True
        return self.differs_from(self.stored.published)

    def differs_from(self, published: Version) -> bool:
        """Whether its content differs from that of `published`."""
        return self.has_text and exportable(self.files.kind, published.read()).digest != self.files.content.digest

    @cached_property
    def changes_metadata(self) -> bool:
        """Whether name, description or tags differ from those stored."""
        return self.stored is not None and metadata(self.stored) != metadata(self.files)

    @cached_property
    def changed_samples(self) -> list[str]:
        """The names of samples that are new or have different values."""
        return [
            name
            for name, values in self.files.samples.items()
            if name not in self.samples or self.samples[name].values != dict(values)
        ]

    @property
    def folder(self) -> str:
        """The path of its files in the folder or zip file."""
        return f"{self.project}/{FOLDERS[self.files.kind]}/{self.files.key}"


def metadata(one: Project | Document | ProjectFiles | DocumentFiles) -> tuple[str, str, list[str]]:
    return one.name, one.description, list(one.tags)


def exportable(kind: str, content: Content) -> Content:
    """Return `content` as files can hold it: a part has neither subjects nor variables."""
    if kind == "template":
        return content
    languages = {name: Texts(html=texts.html, text=texts.text) for name, texts in content.languages.items()}
    return replace(content, languages=languages, variables=())
