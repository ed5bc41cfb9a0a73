"""Creates projects, templates and parts, published or not."""

from templates_app.compiled_cache import record_change
from templates_app.content.content import Content, Texts, Variable
from templates_app.library import catalogue, publishing
from templates_app.models import Document, Project, Version

HELLO = Content(
    languages={
        "en": Texts(subject="Hello {{ name }}", html="<p>Hello <b>{{ name }}</b>!</p>\n<p>Nice day.</p>\n"),
        "de": Texts(subject="Hallo {{ name }}", html="<p>Hallo <b>{{ name }}</b>!</p>\n<p>Schöner Tag.</p>\n"),
    },
    variables=(Variable("name", description="Who it is for", sample="Ann"),),
)


def make_project(key="shop", **fields):
    fields = {"name": key.title(), **fields}
    protected = fields.pop("is_protected", False)
    project = catalogue.create_project(key=key, **fields)
    if protected:
        Project.objects.filter(pk=project.pk).update(is_protected=True)
        project.refresh_from_db()
    return project


def make_template(project=None, key="hello", content=HELLO, user=None, kind=Document.Kind.TEMPLATE, **fields):
    """Return a template; with `content` None it is not published."""
    project = project or Project.objects.filter(key="shop").first() or make_project()
    document = catalogue.create_document(project, kind, key=key, name=fields.pop("name", key.title()), **fields)
    if content is not None:
        publishing.publish(document, user, content, "First", None)
    return document


def make_part(key="footer", html="<p>Footer</p>", text="Footer", **fields):
    content = Content(languages={"en": Texts(html=html, text=text)})
    return make_template(key=key, content=content, kind=Document.Kind.PART, **fields)


def saying(html, *, subject="Hello", variables=(), **others):
    """Return content in English with this HTML; `others` are the HTML of more languages."""
    texts = {"en": Texts(subject=subject, html=html)}
    texts |= {language: Texts(subject=subject, html=other) for language, other in others.items()}
    return Content(languages=texts, variables=tuple(variables))


def make_builtin(document, content):
    """Add a built-in version as seeding does: published unless an edited version is."""
    version = make_version(document, content, is_builtin=True)
    if document.published is None or document.published.is_builtin:
        document.published = version
        document.save()
    return version


def make_version(document, content, **fields):
    """Add a version without any checks."""
    number = document.versions.count() + 1
    return Version.objects.create(
        document=document, number=number, content=content.as_json(), digest=content.digest, **fields
    )


def publish_unchecked(key, content, *, kind=Document.Kind.TEMPLATE):
    """Publish `content`, which may be broken, as ``project/key``; return the document, created if missing."""
    project_key, _, name = key.partition("/")
    project, _ = Project.objects.get_or_create(key=project_key, defaults={"name": project_key})
    document, _ = Document.objects.get_or_create(project=project, kind=kind, key=name, defaults={"name": name})
    document.published = make_version(document, content)
    document.save()
    record_change()
    return document
