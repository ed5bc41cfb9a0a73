from dataclasses import replace

import pytest

from templates_app.content.content import Content, Texts, Variable
from templates_app.library import publishing, samples
from templates_app.library.publishing import Conflict, LibraryError, NothingToPublish, PublishRefused
from templates_app.models import Change, Draft, Version
from tests.factories import make_user
from tests.templates_app.makers import HELLO, make_builtin, make_part, make_template, saying

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def ann():
    return make_user("ann@example.com", name="Ann")


@pytest.fixture
def bob():
    return make_user("bob@example.com", name="Bob")


@pytest.fixture
def template():
    return make_template()


# ---------------------------------------------------------------- drafts


def test_a_draft_remembers_the_version_that_it_began_from(template, ann):
    draft = publishing.save_draft(template, ann, saying("<p>New</p>"), 0)
    assert (draft.revision, draft.based_on, draft.read()) == (1, template.published, saying("<p>New</p>"))


def test_each_save_counts_the_revision_up(template, ann):
    first = publishing.save_draft(template, ann, saying("one"), 0)
    second = publishing.save_draft(template, ann, saying("two"), first.revision)
    third = publishing.save_draft(template, ann, saying("three"), second.revision)
    assert third.revision == 3
    assert publishing.draft_of(template, ann).read() == saying("three")


def test_a_second_tab_is_told_what_the_first_one_saved_and_nothing_is_overwritten(template, ann):
    opened = publishing.save_draft(template, ann, saying("one"), 0).revision
    publishing.save_draft(template, ann, saying("first tab"), opened)
    with pytest.raises(Conflict) as caught:
        publishing.save_draft(template, ann, saying("second tab"), opened)
    assert caught.value.theirs == saying("first tab")
    assert caught.value.draft.revision == 2
    assert publishing.draft_of(template, ann).read() == saying("first tab")


def test_a_second_tab_that_begins_anew_is_told_of_the_draft(template, ann):
    publishing.save_draft(template, ann, saying("first tab"), 0)
    with pytest.raises(Conflict) as caught:
        publishing.save_draft(template, ann, saying("second tab"), 0)
    assert caught.value.theirs == saying("first tab")


def test_the_same_text_saved_twice_is_no_conflict(template, ann):
    first = publishing.save_draft(template, ann, saying("one"), 0)
    assert publishing.save_draft(template, ann, saying("one"), 0) == first


def test_a_tab_whose_draft_was_published_elsewhere_is_told_so(template, ann):
    draft = publishing.save_draft(template, ann, saying("one"), 0)
    publishing.publish(template, ann, draft.read(), "", draft.based_on)
    with pytest.raises(Conflict) as caught:
        publishing.save_draft(template, ann, saying("two"), draft.revision)
    assert caught.value.version.number == 2
    assert caught.value.theirs == saying("one")


def test_drafts_of_two_people_do_not_touch_each_other(template, ann, bob):
    publishing.save_draft(template, ann, saying("ann"), 0)
    publishing.save_draft(template, bob, saying("bob"), 0)
    assert publishing.discard_draft(template, bob) is True
    assert publishing.discard_draft(template, bob) is False
    assert publishing.draft_of(template, ann).read() == saying("ann")


# ---------------------------------------------------------------- publishing


def test_publishing_makes_the_next_version_with_author_and_note(template, ann):
    version = publishing.publish(template, ann, saying("<p>New</p>"), " Shorter\nnow ", template.published)
    template.refresh_from_db()
    assert template.published == version
    assert (version.number, version.author, version.author_name, version.note) == (2, ann, "Ann", "Shorter now")
    assert [one.number for one in template.versions.all()] == [2, 1]
    assert template.versions.get(number=1).read() == HELLO


def test_publishing_ends_the_draft_of_its_author_only(template, ann, bob):
    publishing.save_draft(template, ann, saying("ann"), 0)
    publishing.save_draft(template, bob, saying("bob"), 0)
    publishing.publish(template, ann, saying("ann"), "", template.published)
    assert list(Draft.objects.values_list("user__name", flat=True)) == ["Bob"]


def test_publishing_tells_other_processes(template, ann):
    before = Change.objects.get().number
    publishing.publish(template, ann, saying("new"), "", template.published)
    assert Change.objects.get().number > before


def test_whoever_publishes_second_is_told_what_the_first_one_published(template, ann, bob):
    began = template.published
    publishing.publish(template, bob, saying("bob"), "", began)
    with pytest.raises(Conflict) as caught:
        publishing.publish(template, ann, saying("ann"), "", began)
    assert (caught.value.version.number, caught.value.theirs) == (2, saying("bob"))
    assert template.versions.count() == 2
    publishing.publish(template, ann, saying("ann"), "", caught.value.version)
    assert template.versions.count() == 3


def test_what_is_published_already_is_not_published_again(template, ann):
    with pytest.raises(NothingToPublish):
        publishing.publish(template, ann, HELLO, "", template.published)
    assert template.versions.count() == 1


def test_a_template_that_does_not_render_is_refused_with_the_place(template, ann):
    broken = saying("<p>ok</p>\n<p>{{ nmae }}</p>", variables=HELLO.variables)
    with pytest.raises(PublishRefused) as caught:
        publishing.publish(template, ann, broken, "", template.published)
    (problem,) = caught.value.problems
    assert (problem.document, problem.source, problem.part, problem.line) == ("shop/hello", "shop/hello", "html", 2)
    assert "nmae" in problem.message
    assert template.versions.count() == 1


def test_one_sample_that_fails_in_one_language_refuses_publishing(template, ann):
    variables = (Variable("name", sample="Ann"), Variable("count", type="number", sample=1))
    fine = saying("<p>{{ 100 / count }}</p>", variables=variables, de="<p>{{ 100 / (count - 7) }}</p>")
    samples.create_sample(template, name="Usual", values={"name": "Ann", "count": 3})
    samples.create_sample(template, name="Seven", values={"name": "Ann", "count": 7})
    with pytest.raises(PublishRefused) as caught:
        publishing.publish(template, ann, fine, "", template.published)
    assert [(one.sample, one.language, one.part) for one in caught.value.problems] == [("Seven", "de", "html")]


def test_values_that_a_sample_lacks_refuse_publishing(template, ann):
    samples.create_sample(template, name="Empty", values={})
    with pytest.raises(PublishRefused) as caught:
        publishing.publish(template, ann, replace(HELLO, default_language="de"), "", template.published)
    assert {(one.sample, one.part) for one in caught.value.problems} == {("Empty", "values")}


def test_a_part_is_refused_with_the_templates_that_it_would_break(ann):
    part = make_part(html="<p>{{ note|default('') }}</p>", text="x")
    make_template(key="a", content=saying('<p>a</p>{% include "footer" %}'))
    make_template(key="b", content=saying('<p>b</p>{% include "shop/footer" %}'))
    make_template(key="c", content=saying("<p>c</p>"))
    with pytest.raises(PublishRefused) as caught:
        publishing.publish(part, ann, Content({"en": Texts(html="<p>{{ nobody }}</p>", text="x")}), "", part.published)
    assert {one.document for one in caught.value.problems} == {"shop/a", "shop/b"}
    assert {one.source for one in caught.value.problems} == {"shop/footer"}


def test_a_part_that_breaks_templates_in_one_language_only_is_refused(ann):
    part = make_part()
    use = '{% include "footer" %}'
    make_template(key="a", content=saying(use, de=use))
    make_template(key="b", content=saying(use))
    overlay = Content({"en": Texts(html="fine", text="fine"), "de": Texts(html="{{ nobody }}", text="x")})
    with pytest.raises(PublishRefused) as caught:
        publishing.publish(part, ann, overlay, "", part.published)
    assert [(one.document, one.language) for one in caught.value.problems] == [("shop/a", "de")]


def test_a_part_that_no_template_uses_must_be_readable_at_least(ann):
    part = make_part()
    with pytest.raises(PublishRefused):
        publishing.publish(part, ann, Content({"en": Texts(html="{% if %}", text="x")}), "", part.published)
    publishing.publish(part, ann, Content({"en": Texts(html="{{ anything }}", text="x")}), "", part.published)


# ---------------------------------------------------------------- going back


def test_restoring_makes_a_new_version_of_an_old_text(template, ann):
    first = template.published
    publishing.publish(template, ann, saying("new"), "", first)
    restored = publishing.restore(first, ann, template.published)
    assert (restored.number, restored.read(), restored.note) == (3, HELLO, "Restored from version 1")


def test_restoring_over_an_unseen_version_is_a_conflict(template, ann):
    first = template.published
    publishing.publish(template, ann, saying("new"), "", first)
    with pytest.raises(Conflict):
        publishing.restore(first, ann, first)


def test_an_edited_builtin_is_reset_to_the_newest_text_of_the_program(ann):
    template = make_template(content=None)
    make_builtin(template, saying("from the program"))
    edited = publishing.publish(template, ann, saying("edited"), "", template.published)
    assert (edited.is_builtin, edited.base.number) == (False, 1)
    reset = publishing.reset_to_builtin(template, ann, edited)
    assert (reset.number, reset.is_builtin, reset.read()) == (3, True, saying("from the program"))


def test_restoring_an_older_builtin_does_not_pass_for_the_newest(ann):
    template = make_template(content=None)
    old = make_builtin(template, saying("old"))
    new = make_builtin(template, saying("new"))
    restored = publishing.restore(old, ann, new)
    assert (restored.is_builtin, restored.base) == (False, old)
    assert publishing.newest_builtin(template) == new


def test_what_is_not_from_the_program_cannot_be_reset(template, ann):
    with pytest.raises(LibraryError, match="is not built in"):
        publishing.reset_to_builtin(template, ann, template.published)


def test_versions_survive_their_author(template, ann):
    publishing.publish(template, ann, saying("new"), "", template.published)
    ann.delete()
    version = Version.objects.get(document=template, number=2)
    assert (version.author, version.author_name) == (None, "Ann")
