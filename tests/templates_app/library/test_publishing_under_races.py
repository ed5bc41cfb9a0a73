"""Concurrent changes, in threads with database connections of their own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connections

from templates_app.content.content import Content, Texts
from templates_app.library import catalogue, publishing, samples
from templates_app.library.publishing import Conflict, Gone, LibraryError, PublishRefused
from templates_app.models import Document, Draft, Project, Version
from tests.cases import case
from tests.factories import make_user
from tests.templates_app.makers import make_part, make_project, make_template, saying

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def at_once(*jobs):
    """Run the jobs in threads that start at the same time, and return their results or exceptions."""
    gate = threading.Barrier(len(jobs))

    def run(job):
        try:
            gate.wait(timeout=10)
            return job()
        except LibraryError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def publish_anew(pk, content, *, based_on):
    return publishing.publish(Document.objects.get(pk=pk), None, content, "", based_on)


def test_of_those_who_publish_at_once_one_wins_and_the_others_are_told():
    template = make_template()
    for number in range(5):
        template.refresh_from_db()
        based_on = template.published
        texts = [saying(f"{number} {who}") for who in range(3)]
        publish = partial(publish_anew, template.pk, based_on=based_on)
        results = at_once(*(partial(publish, text) for text in texts))
        assert sorted(type(one).__name__ for one in results) == ["Conflict", "Conflict", "Version"]
        (winner,) = [one for one in results if isinstance(one, Version)]
        assert {one.version for one in results if isinstance(one, Conflict)} == {winner}
    numbers = list(template.versions.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, 7))


def test_two_tabs_that_save_at_once_lose_nothing():
    template, ann = make_template(), make_user()
    for number in range(5):
        Draft.objects.all().delete()
        texts = [saying(f"{number} {who}") for who in "ab"]
        first, second = at_once(*(partial(publishing.save_draft, template, ann, text, 0) for text in texts))
        stored = Draft.objects.get().read()
        (conflict,) = [one for one in (first, second) if isinstance(one, Conflict)]
        assert conflict.theirs == stored


def test_a_part_and_a_template_published_at_once_never_break_each_other():
    """A part removes a macro while a template starts to use it: only one of the two may be published."""
    for number in range(4):
        part = make_part(key=f"part{number}", html="{% macro old() %}x{% endmacro %}", text="x")
        template = make_template(key=f"template{number}", content=saying("nothing yet"))
        using = saying(f'{{% from "part{number}" import old %}}{{{{ old() }}}}')
        without = Content({"en": Texts(html="nothing here", text="x")})
        first, second = at_once(
            lambda part=part, without=without: publishing.publish(part, None, without, "", part.published),
            lambda template=template, using=using: publishing.publish(template, None, using, "", template.published),
        )
        assert sorted(type(one).__name__ for one in (first, second)) == ["PublishRefused", "Version"]


def test_a_part_is_not_deleted_under_a_template_that_begins_to_use_it():
    for number in range(4):
        part = make_part(key=f"part{number}")
        template = make_template(key=f"template{number}", content=saying("nothing yet"))
        using = saying(f'{{% include "part{number}" %}}')
        deleted, published = at_once(
            lambda part=part: catalogue.delete_document(part),
            lambda template=template, using=using: publishing.publish(template, None, using, "", template.published),
        )
        assert isinstance(deleted, catalogue.InUse) == isinstance(published, Version)
        assert isinstance(published, PublishRefused) == (deleted is None)


# ---------------------------------------------------------------- deleted meanwhile


def deleted(key):
    """Return a template and a version of it after somebody else has deleted both."""
    template = make_template(key=key)
    on_screen = Document.objects.select_related("published__document").get(pk=template.pk)
    catalogue.delete_document(template)
    return on_screen


def test_what_was_deleted_meanwhile_is_said_to_be_gone():
    ann, new = make_user("ann@example.com"), saying("<p>New</p>")
    for name, act in {
        "publish": lambda one: publishing.publish(one, ann, new, "", one.published),
        "publish_first": lambda one: publishing.publish(one, ann, new, "", None),
        "restore": lambda one: publishing.restore(one.published, ann, one.published),
        "draft": lambda one: publishing.save_draft(one, ann, new, 0),
        "draft_of_version": lambda one: publishing.save_draft(one, ann, new, 0, based_on=one.published),
        "draft_again": lambda one: publishing.save_draft(one, ann, new, 3),
        "change": lambda one: catalogue.change_metadata(
            one, catalogue.metadata_of(one), name="New", description="", tags=[]
        ),
        "sample": lambda one: samples.create_sample(one, name="Usual", values={}),
    }.items():
        template = deleted(name)
        with case(name), pytest.raises(Gone):
            act(template)


def test_nothing_is_made_in_a_project_that_was_deleted_meanwhile():
    project = make_project("other")
    on_screen = Project.objects.get(pk=project.pk)
    catalogue.delete_project(project)
    with pytest.raises(Gone):
        catalogue.create_document(on_screen, "template", key="hello", name="Hello")
