"""Projects survive export and import, nothing is lost, and nothing broken is imported."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import transaction
from hypothesis import given, settings

from templates_app.content.content import Content, Texts, Variable
from templates_app.files.archives import pack, unpack
from templates_app.files.project_files import DocumentFiles, ProjectFiles, SharedFile, VersionFile
from templates_app.library import publishing
from templates_app.library.catalogue import RESERVED_KEYS, create_document, create_project
from templates_app.models import Change, Document, Draft, Project, Sample, SharedValue, Version
from templates_app.rendering import render
from templates_app.transfer.import_plan import ImportPlan, ImportRefused
from templates_app.transfer.import_writer import write_plan
from templates_app.transfer.project_transfer import UnknownProjectsError, check_import, export_projects, import_projects
from tests.cases import case
from tests.factories import make_user
from tests.templates_app.files.project_strategies import UNHURRIED, keys, projects

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

LAYOUT = DocumentFiles(
    kind="part",
    key="layout",
    name="Layout",
    content=Content({"en": Texts(html="<main>{% block body %}{% endblock %}</main>\n<p>{{ shop_name }}</p>")}),
)
WELCOME = DocumentFiles(
    kind="template",
    key="welcome",
    name="Welcome",
    tags=("sales",),
    content=Content(
        languages={
            "de": Texts(
                subject="Hallo {{ name }}",
                html='{% extends "layout" %}{% block body %}Hallo {{ name }}{% endblock %}',
            ),
            "en": Texts(subject="Hello {{ name }}", text="Hello {{ name }}\n"),
        },
        variables=(Variable("name", sample="Ann"),),
    ),
    samples={"Ann": {"name": "Ann"}},
)
SHOP = ProjectFiles(
    key="shop", name="Shop", shared={"shop_name": SharedFile("The Shop", "Its name")}, documents=(LAYOUT, WELCOME)
)


def changed(project: ProjectFiles, kind: str, **changes) -> ProjectFiles:
    """Return the project with one of its documents changed."""
    documents = [replace(one, **changes) if one.kind == kind else one for one in project.documents]
    return replace(project, documents=tuple(documents))


def with_text(project: ProjectFiles, kind: str, **texts) -> ProjectFiles:
    """Return the project with some English texts of its document of this kind replaced."""
    content = next(one.content for one in project.documents if one.kind == kind)
    languages = {**content.languages, "en": replace(content.languages["en"], **texts)}
    return changed(project, kind, content=replace(content, languages=languages))


def refusal(*several: ProjectFiles) -> list[str]:
    before = everything()
    with pytest.raises(ImportRefused) as refused:
        import_projects(several, None)
    assert everything() == before
    return [str(problem) for problem in refused.value.problems]


def everything() -> list[object]:
    return [list(model.objects.order_by("pk").values()) for model in (Project, Document, Version, Sample, SharedValue)]


def stored(key="welcome", kind="template") -> Document:
    return Document.objects.get(project__key="shop", kind=kind, key=key)


@pytest.fixture
def shop():
    import_projects([SHOP], None)


# ---------------------------------------------------------------- round trips


@given(projects(key=keys.filter(lambda key: key not in RESERVED_KEYS)))
@settings(UNHURRIED, max_examples=40)
def test_every_project_survives_database_zip_and_database(project):
    """Written without checks, because the texts are arbitrary."""
    project = replace(project, shared={})
    with transaction.atomic():
        write_plan(ImportPlan([project]), None, note="")
        first = export_projects([project.key], history=True)
        assert [without_history(one) for one in first] == [without_history(project)]
        archive = pack(first)
        Document.objects.update(published=None)
        Project.objects.filter(key=project.key).delete()
        write_plan(ImportPlan(unpack(archive)), None, note="")
        assert pack(export_projects([project.key], history=True)) == archive
        assert not ImportPlan(unpack(archive)).changes_anything
        Document.objects.update(published=None)
        Project.objects.filter(key=project.key).delete()


def without_history(project: ProjectFiles) -> ProjectFiles:
    """Return the project without the histories, because storing a document without one creates one."""
    return replace(project, documents=tuple(replace(one, history=()) for one in project.documents))


def test_the_built_in_projects_survive_a_round_trip():
    before = export_projects(history=True)
    assert [project.key for project in before] == ["account", "mail", "platform"]
    assert not check_import(unpack(pack(before))).changes_anything
    Document.objects.update(published=None)
    Project.objects.all().delete()
    SharedValue.objects.all().delete()
    import_projects(unpack(pack(before)), None)
    assert export_projects(history=True) == before
    assert render("mail/test", Sample.objects.filter(document__key="test").first().values).html


def test_a_history_comes_back_as_it_was(shop):
    user = make_user("ann@example.com")
    document = stored()
    for text in ("Hi", "Dear"):
        content = replace(document.published.read(), languages={"en": Texts(subject=text, text=text)})
        publishing.publish(document, user, content, f"Say {text}", document.published)
    first = document.versions.get(number=1)
    publishing.restore(first, user, document.published)
    Version.objects.filter(number=2).update(created_at=datetime(2020, 1, 2, 3, 4, 5, 678, tzinfo=UTC), base=first)
    before = export_projects(["shop"], history=True)
    Document.objects.update(published=None)
    Project.objects.filter(key="shop").delete()

    import_projects(unpack(pack(before)), None)
    assert export_projects(["shop"], history=True) == before
    versions = list(stored().versions.order_by("number"))
    assert [version.note for version in versions] == ["Imported", "Say Hi", "Say Dear", "Restored from version 1"]
    assert [version.author_name for version in versions] == ["", *[str(user)] * 3]
    assert versions[1].base == versions[0]
    assert stored().published == versions[3]


def test_an_imported_history_is_ignored_where_the_document_exists(shop):
    history = (VersionFile(9, Content({"en": Texts(text="old")}), "Old", "Bob", datetime(2020, 1, 1, tzinfo=UTC)),)
    project = with_text(changed(SHOP, "template", history=history), "template", subject="Hi {{ name }}")
    import_projects([project], make_user("ann@example.com"), note="From the branch")
    assert list(stored().versions.order_by("number").values_list("number", "note", "author_name")) == [
        (1, "Imported", ""),
        (2, "From the branch", "ann@example.com"),
    ]


def test_a_text_that_differs_from_its_history_becomes_another_version():
    old = Content({"en": Texts(subject="old", text="old")})
    history = (VersionFile(3, old, "Old", "Bob", datetime(2020, 1, 1, tzinfo=UTC), is_published=True),)
    import_projects([changed(SHOP, "template", history=history)], None)
    assert list(stored().versions.order_by("number").values_list("number", "note")) == [(3, "Old"), (4, "Imported")]
    assert stored().published.read() == WELCOME.content


def test_a_document_that_was_never_published_stays_unpublished():
    create_document(create_project(key="blog", name="Blog"), "template", key="post", name="Post")
    before = export_projects(["blog"], history=True)
    Project.objects.filter(key="blog").delete()
    import_projects(before, None)
    assert Document.objects.get(project__key="blog").published is None
    assert export_projects(["blog"], history=True) == before


def test_unknown_projects_are_named():
    with pytest.raises(UnknownProjectsError) as unknown:
        export_projects(["mail", "nothing", "else"], history=False)
    assert unknown.value.keys == ["else", "nothing"]


# ---------------------------------------------------------------- what an import does


def test_a_new_project_can_be_used_at_once(shop):
    assert render("shop/welcome", {"name": "Bob"}, language="de").html.startswith(
        "<html><head></head><body><main>Hallo"
    )
    assert SharedValue.objects.get(name="shop_name").description == "Its name"
    assert not Project.objects.get(key="shop").is_protected


def test_importing_the_same_again_changes_nothing(shop):
    before, number = everything(), Change.objects.get().number
    plan = import_projects([SHOP], None)
    assert not plan.changes_anything
    assert [str(line) for line in plan.lines] == ["= part shop/layout", "= template shop/welcome"]
    assert (everything(), Change.objects.get().number) == (before, number)


def test_only_what_differs_gets_a_new_version(shop):
    plan = import_projects([with_text(SHOP, "template", subject="Hi {{ name }}")], None)
    assert [str(line) for line in plan.lines] == ["= part shop/layout", "~ template shop/welcome: a new version"]
    assert stored().versions.count() == 2
    assert stored("layout", "part").versions.count() == 1
    assert render("shop/welcome", {"name": "Bob"}).subject == "Hi Bob"


def test_an_import_changes_names_and_samples_and_deletes_nothing(shop):
    Sample.objects.create(document=stored(), name="Mine", values={"name": "Me"})
    project = replace(
        changed(SHOP, "template", name="Hello", samples={"Ann": {"name": "Anna"}, "Zoë": {"name": "Zoë"}}), name="Store"
    )
    plan = import_projects([replace(project, documents=project.documents[1:])], None)
    assert [str(line) for line in plan.lines] == [
        "~ project shop: name, description or tags",
        "~ template shop/welcome: name, description or tags, samples Ann, Zoë",
    ]
    assert {one.name: one.values["name"] for one in stored().samples.all()} == {
        "Ann": "Anna",
        "Mine": "Me",
        "Zoë": "Zoë",
    }
    assert (stored().name, Project.objects.get(key="shop").name) == ("Hello", "Store")
    assert stored().versions.count() == 1
    assert stored("layout", "part").published is not None


def test_an_existing_shared_value_keeps_its_value(shop):
    SharedValue.objects.filter(name="shop_name").update(value="Ours")
    plan = import_projects([SHOP], None)
    assert str(plan.lines[-1]) == "= shared value shop_name keeps its current value"
    assert SharedValue.objects.get(name="shop_name").value == "Ours"


def test_a_draft_stays(shop):
    user = make_user("ann@example.com")
    publishing.save_draft(stored(), user, Content({"en": Texts(text="mine")}), 0)
    import_projects([with_text(SHOP, "template", text="Hi")], user)
    assert Draft.objects.get().read().languages["en"].text == "mine"


def test_importing_over_a_protected_project_edits_it():
    (mail,) = export_projects(["mail"], history=False)
    test = next(one for one in mail.documents if one.key == "test")
    english = replace(test.content.languages["en"], subject="Does it arrive?")
    content = replace(test.content, languages={**test.content.languages, "en": english})
    import_projects([replace(mail, documents=(replace(test, content=content),))], None)
    document = Document.objects.get(project__key="mail", key="test")
    assert (document.published.is_builtin, document.published.number) == (False, 2)
    assert document.published.base.number == 1
    assert document.project.is_protected
    assert document.project.documents.count() == len(mail.documents)


def test_texts_and_parts_that_only_fit_together_are_imported_together(shop):
    project = with_text(SHOP, "part", html="{% macro button() %}go{% endmacro %}{% block body %}{% endblock %}")
    project = with_text(project, "template", html='{% from "layout" import button %}{{ button() }}')
    import_projects([project], None)
    assert "go" in render("shop/welcome", {"name": "Bob"}).html


# ---------------------------------------------------------------- what is refused


def test_a_text_that_does_not_render_is_named_by_file_and_line():
    broken = with_text(SHOP, "template", html="<p>\n{{ nobody }}</p>", subject="{{ name")
    found = refusal(broken)
    assert any(one.startswith("shop/templates/welcome/en.subject, line 1: ") for one in found)
    broken = with_text(SHOP, "template", html="<p>\n{{ nobody }}</p>")
    (only,) = refusal(broken)
    assert only.startswith("shop/templates/welcome/en.html, line 2: ")
    assert "nobody" in only
    assert "rendered with “Ann”, en" in only


def test_a_broken_part_is_named_with_the_template_that_shows_it():
    (only,) = refusal(with_text(SHOP, "part", html="<p>\n\n{{ nobody }}{% block body %}{% endblock %}"))
    assert only.startswith("shop/parts/layout/en.html, line 3: ")
    assert "shop/welcome, rendered with “Ann”, de" in only


def test_a_part_that_breaks_a_stored_template_is_refused(shop):
    project = with_text(SHOP, "part", html="{{ nobody }}")
    (only,) = refusal(replace(project, documents=project.documents[:1]))
    assert only.startswith("shop/parts/layout/en.html, line 1: ")


def test_a_stored_sample_that_does_not_fit_the_new_text_is_named(shop):
    variables = (Variable("name", sample="Ann"), Variable("city", sample="Rome"))
    content = replace(WELCOME.content, variables=variables)
    Sample.objects.create(document=stored(), name="Mine", values={"name": "Me"})
    found = refusal(changed(SHOP, "template", content=content, samples={"Ann": {"name": "Ann", "city": "Bonn"}}))
    assert all(one.startswith("shop/templates/welcome/template.json: ") and "city" in one for one in found)
    assert {"“Mine”" in one for one in found} == {True}


def test_a_part_that_no_template_uses_must_have_valid_syntax():
    part = DocumentFiles("part", "footer", "Footer", content=Content({"en": Texts(text="a\n{% if %}")}))
    (only,) = refusal(ProjectFiles("shop", "Shop", documents=(part,)))
    assert only.startswith("shop/parts/footer/en.txt, line 2: ")


def test_a_template_that_would_never_end_is_refused():
    text = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    assert "processor time" in refusal(with_text(SHOP, "template", text=text))[0]


def test_a_project_cannot_take_the_address_of_a_page():
    for key in sorted(RESERVED_KEYS):
        with case(key):
            assert "reserved for the address" in refusal(ProjectFiles(key, "New"))[0]


def test_shared_values_and_samples_obey_the_rules_of_their_pages():
    project = replace(SHOP, shared={"base_url": SharedFile("https://evil.example/")})
    deep: object = "x"
    for _level in range(30):
        deep = [deep]
    project = changed(project, "template", samples={"Ann": {"name": "Ann", "deep": deep}})
    first, second = refusal(project)
    assert first.startswith("shop/project.json: the shared value base_url")
    assert second.startswith("shop/templates/welcome/template.json: sample “Ann”: ")


def test_links_that_prevent_publishing_prevent_importing():
    (only,) = refusal(with_text(SHOP, "template", html='<p>\n<a href="/login/">Sign in</a></p>'))
    assert only.startswith("shop/templates/welcome/en.html, line 2: “/login/” does not work in an email")


def test_the_tag_bulk_is_checked_even_if_no_text_differs(shop):
    found = refusal(changed(SHOP, "template", tags=("sales", "bulk")))
    assert any("needs an unsubscribe link" in one for one in found)


def test_one_fault_prevents_the_whole_import():
    good = ProjectFiles("blog", "Blog", documents=(replace(WELCOME, content=Content({"en": Texts("a", text="b")})),))
    assert len(refusal(good, with_text(SHOP, "template", subject="{% nothing %}"))) == 1
    assert not Project.objects.filter(key="blog").exists()


def test_a_check_writes_nothing():
    before = everything()
    plan = check_import([SHOP])
    assert [str(line) for line in plan.lines] == [
        "+ project shop",
        "+ part shop/layout",
        "+ template shop/welcome",
        "+ shared value shop_name",
    ]
    assert everything() == before


def test_a_publication_between_check_and_writing_is_noticed(shop, monkeypatch):
    """Somebody publishes while the samples are rendered: the import is planned again."""
    document = stored()
    rounds = []

    def problems(plan):
        rounds.append(plan.state)
        if len(rounds) == 1:
            publishing.publish(
                document, None, replace(WELCOME.content, languages={"en": Texts("a", text="b")}), "", document.published
            )
        return real(plan)

    real = ImportPlan.problems
    monkeypatch.setattr(ImportPlan, "problems", problems)
    import_projects([with_text(SHOP, "template", subject="Hi {{ name }}")], None)
    assert len(rounds) == 2
    assert [version.note for version in stored().versions.order_by("number")] == ["Imported", "", "Imported"]
