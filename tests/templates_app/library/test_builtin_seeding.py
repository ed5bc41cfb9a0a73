"""Seeding of built-in templates, and what happens to edited ones."""

import threading
from dataclasses import replace

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from templates_app.builtin_files import builtin_projects
from templates_app.content.content import Texts, Variable
from templates_app.files.project_files import SharedFile
from templates_app.library import publishing
from templates_app.library.builtin_seeding import newer_builtin, seed, seed_after_migrate
from templates_app.models import Change, Document, Project, Sample, SharedValue, Version

pytestmark = pytest.mark.both_databases

TABLES = (Project, Document, Version, Sample, SharedValue, Change)


def welcome():
    return Document.objects.get(project__key="account", key="welcome")


def document_files(key="welcome"):
    account = next(project for project in builtin_projects() if project.key == "account")
    return next(document for document in account.documents if document.key == key)


def release(key="welcome", *, subject=None, content=None, samples=None):
    """Return the built-in templates of a newer release: one with another subject, text or samples."""
    files = document_files(key)
    if content is not None:
        files = replace(files, content=content)
    if subject is not None:
        languages = {**files.content.languages, "en": replace(files.content.languages["en"], subject=subject)}
        files = replace(files, content=replace(files.content, languages=languages))
    if samples is not None:
        files = replace(files, samples=samples)
    return [
        replace(project, documents=tuple(files if one.key == key else one for one in project.documents))
        if project.key == "account"
        else project
        for project in builtin_projects()
    ]


def edit(document, subject="Hi there"):
    """Publish an edited text over the published version."""
    content = document.published.read()
    content = replace(content, languages={**content.languages, "en": Texts(subject=subject, text="Hello")})
    version = Version.objects.create(
        document=document,
        number=document.versions.count() + 1,
        content=content.as_json(),
        digest=content.digest,
        author_name="ann",
        base=document.published if document.published.is_builtin else document.published.base,
    )
    Document.objects.filter(pk=document.pk).update(published=version)
    return version


def everything():
    return [list(model.objects.order_by("pk").values()) for model in TABLES]


def change_number():
    return sum(Change.objects.values_list("number", flat=True))


@pytest.mark.django_db
def test_after_migrate_everything_is_there():
    assert set(Project.objects.values_list("key", "is_protected")) == {
        ("account", True),
        ("mail", True),
        ("platform", True),
    }
    documents = Document.objects.select_related("published", "project")
    assert sorted(one.full_key for one in documents if one.kind == "part") == [
        "mail/footer",
        "mail/layout",
        "mail/parts",
    ]
    assert sum(one.kind == "template" for one in documents) == 16
    for document in documents:
        assert (document.published.number, document.published.is_builtin) == (1, True)
        assert document.published.digest == document.published.read().digest
        assert document.samples.filter(is_builtin=True).count() >= (2 if document.kind == "template" else 0)
        assert newer_builtin(document) is None
    assert set(SharedValue.objects.values_list("name", flat=True)) == {"brand_address", "brand_color", "brand_name"}
    assert welcome().published.read() == document_files().content


@pytest.mark.django_db
def test_seeding_again_changes_nothing_and_asks_little(django_assert_max_num_queries):
    before = everything()
    with django_assert_max_num_queries(5):
        assert seed() == []
    assert everything() == before


@pytest.mark.django_db
def test_an_unedited_template_follows_the_program():
    number = change_number()
    assert seed(release(subject="Welcome!")) == ["account/welcome"]
    document = welcome()
    assert (document.published.number, document.published.is_builtin) == (2, True)
    assert document.published.read().languages["en"].subject == "Welcome!"
    assert document.published.read().languages["de"] == document_files().content.languages["de"]
    assert newer_builtin(document) is None
    assert change_number() > number, "every process learns of it"
    assert seed(release(subject="Welcome!")) == []


@pytest.mark.django_db
def test_an_edited_template_stays_and_the_newer_one_is_announced_with_all_three():
    first = welcome().published
    yours = edit(welcome())
    assert newer_builtin(welcome()) is None, "there is nothing newer yet"
    seed(release(subject="Welcome!"))
    found = newer_builtin(welcome())
    assert (found.base, found.yours) == (first, yours)
    assert (found.theirs.number, found.theirs.is_builtin) == (3, True)
    assert found.theirs.read().languages["en"].subject == "Welcome!"
    assert welcome().published == yours
    assert welcome().published.read().languages["en"].subject == "Hi there"
    assert seed(release(subject="Welcome!")) == []


@pytest.mark.django_db
def test_edits_of_edits_are_compared_with_the_built_in_that_they_began_from():
    first = welcome().published
    edit(welcome())
    seed(release(subject="Welcome!"))
    yours = edit(welcome(), "Hi again")
    found = newer_builtin(welcome())
    assert (found.base, found.theirs.number, found.yours) == (first, 3, yours)


@pytest.mark.django_db
def test_a_declined_version_is_not_announced_but_the_next_one_is():
    edit(welcome())
    seed(release(subject="Welcome!"))
    Document.objects.filter(pk=welcome().pk).update(builtin_seen=newer_builtin(welcome()).theirs.number)
    assert newer_builtin(welcome()) is None
    seed(release(subject="Welcome to you"))
    assert newer_builtin(welcome()).theirs.read().languages["en"].subject == "Welcome to you"


@pytest.mark.django_db
def test_nothing_is_announced_to_whoever_wrote_the_same():
    content = release(subject="Welcome!")[0].documents
    files = next(one for one in content if one.key == "welcome")
    yours = edit(welcome())
    Version.objects.filter(pk=yours.pk).update(content=files.content.as_json(), digest=files.content.digest)
    seed(release(subject="Welcome!"))
    assert newer_builtin(welcome()) is None


@pytest.mark.django_db
def test_a_document_that_was_reset_follows_the_program_again():
    edit(welcome())
    builtin = welcome().versions.get(number=1)
    reset = Version.objects.create(
        document=welcome(), number=3, content=builtin.content, digest=builtin.digest, is_builtin=True
    )
    Document.objects.filter(pk=welcome().pk).update(published=reset)
    seed(release(subject="Welcome!"))
    assert welcome().published.number == 4


@pytest.mark.django_db(transaction=True)
def test_reset_takes_the_newer_built_in_text_although_it_needs_a_new_value(admin):
    document = welcome()
    content = document.published.read()
    mine = replace(content, languages={"en": Texts(subject="Hi {{ name }}", text="{{ email }} {{ sign_in_url }}")})
    publishing.publish(document, admin, mine, "", document.published)
    files = document_files()
    languages = {**content.languages, "en": Texts(subject="Hi {{ nickname }}", text="Hello")}
    newer = replace(content, languages=languages, variables=(*content.variables, Variable("nickname", sample="Annie")))
    samples = {name: {**values, "nickname": "Annie"} for name, values in files.samples.items()}
    seed(release(content=newer, samples=samples))
    assert newer_builtin(welcome()).yours.read() == mine
    version = publishing.reset_to_builtin(welcome(), admin, welcome().published)
    assert (version.read(), version.is_builtin) == (newer, True)
    assert newer_builtin(welcome()) is None


@pytest.mark.django_db
def test_samples_that_nobody_edited_follow_and_edited_ones_stay():
    Sample.objects.filter(document=welcome(), name="With help").update(values={"mine": 1}, is_builtin=False)
    Sample.objects.create(document=welcome(), name="My own", values={"mine": 2})
    seed(release(samples={"With help": {"name": "Bob"}, "Another": {"name": "Cem"}}))
    assert dict(Sample.objects.filter(document=welcome()).values_list("name", "values")) == {
        "With help": {"mine": 1},
        "My own": {"mine": 2},
        "Another": {"name": "Cem"},
    }


@pytest.mark.django_db
def test_samples_under_an_edited_text_only_gain_values():
    edit(welcome())
    before = Sample.objects.get(document=welcome(), name="With help").values
    seed(release(subject="Welcome!", samples={"With help": {"nickname": "Bob"}}))
    samples = dict(Sample.objects.filter(document=welcome()).values_list("name", "values"))
    assert samples["With help"] == {**before, "nickname": "Bob"}
    assert "Without a name and help" in samples
    assert seed(release(subject="Welcome!", samples={"With help": {"nickname": "Bob"}})) == []


@pytest.mark.django_db
def test_shared_values_names_and_tags_belong_to_the_editors():
    SharedValue.objects.filter(name="brand_name").update(value="Garden")
    Document.objects.filter(pk=welcome().pk).update(name="Hello", tags=["mine"])
    projects = release(subject="Welcome!")
    projects = [replace(one, shared={**one.shared, "brand_motto": SharedFile("Grow")}) for one in projects]
    seed(projects)
    assert SharedValue.objects.get(name="brand_name").value == "Garden"
    assert SharedValue.objects.get(name="brand_motto").value == "Grow"
    assert (welcome().name, welcome().tags) == ("Hello", ["mine"])


@pytest.mark.django_db
def test_what_people_made_under_the_same_key_stays_theirs():
    Version.objects.filter(document=welcome()).update(is_builtin=False)
    Project.objects.filter(key="account").update(is_protected=False, name="Ours")
    yours = welcome().published
    seed()
    assert Project.objects.get(key="account", is_protected=True).name == "Ours"
    assert welcome().published == yours
    assert welcome().versions.get(is_builtin=True).number == 2
    assert newer_builtin(welcome()) is None, "it says the same"
    edit(welcome())
    assert newer_builtin(welcome()) is None, "version 2 was there when it was edited"


@pytest.mark.django_db
def test_a_text_of_ones_own_that_a_built_in_joins_has_no_common_base():
    yours = edit(welcome())
    Version.objects.filter(document=welcome(), number=1).update(is_builtin=False)
    Version.objects.filter(pk=yours.pk).update(base=None)
    seed()
    found = newer_builtin(welcome())
    assert (found.base, found.yours, found.theirs.number) == (None, yours, 3)


@pytest.mark.django_db
def test_nothing_is_done_in_a_state_without_the_tables_or_with_older_ones():
    Document.objects.filter(pk=welcome().pk).update(published=None)
    Version.objects.filter(document=welcome()).delete()
    executor = MigrationExecutor(connection)
    nothing = executor.loader.project_state([]).apps
    seed_after_migrate(using="default", apps=nothing)
    seed_after_migrate(using="other")
    assert not welcome().versions.exists()
    whole = executor.loader.project_state(executor.loader.graph.leaf_nodes()).apps
    seed_after_migrate(using="default", apps=whole)
    assert welcome().published.is_builtin


@pytest.mark.django_db(transaction=True)
def test_emptied_tables_are_filled_again():
    call_command("flush", interactive=False, verbosity=0)
    assert Document.objects.filter(published__is_builtin=True).count() == 19
    assert Change.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["nothing there", "a new release"])
def test_processes_that_seed_at_once_make_everything_once(what):
    """The second process to insert a project waits for the first, violates the unique key and starts again."""
    projects = release(subject="Welcome!")
    if what == "nothing there":
        Document.objects.update(published=None)
        for model in reversed(TABLES):
            model.objects.all().delete()
    barrier, made, errors = threading.Barrier(4), [], []

    def run():
        try:
            barrier.wait(timeout=30)
            made.extend(seed(projects))
        except Exception as error:  # noqa: BLE001  # shown below, in the thread of the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert made.count("account/welcome") == 1
    numbers = list(welcome().versions.values_list("number", flat=True))
    assert numbers == ([1] if what == "nothing there" else [2, 1])
    assert welcome().published.read().languages["en"].subject == "Welcome!"
    assert Document.objects.count() == 19
