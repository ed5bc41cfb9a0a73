"""The template pages: content, access, invalid input."""

import html
import re

import pytest
from django.core import signing

from templates_app.content.content import Content, Texts
from templates_app.forms import SALT
from templates_app.library import publishing, samples
from templates_app.models import Document, Project, Sample, SharedValue
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import queued
from tests.templates_app.makers import HELLO, make_builtin, make_part, make_project, make_template, saying

pytestmark = pytest.mark.django_db

BASE = "/templates/shop/template/hello/"


@pytest.fixture
def ann():
    return make_user("ann@example.com", "templates_app.edit_templates", name="Ann")


@pytest.fixture
def client(ann):
    return signed_in(ann)


@pytest.fixture
def template():
    return make_template(description="Greets people", tags=["greeting"])


def seen(response):
    """Return the text of a page with whitespace collapsed."""
    assert response.status_code in {200, 422}, response.status_code
    text = re.sub(r"<(script|style|template)\b.*?</\1>", "", response.content.decode(), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def hidden(response, name):
    return attribute(response, rf'name="{name}" value="([^"]*)"')


def attribute(response, pattern):
    (found,) = re.findall(pattern, response.content.decode())
    return html.unescape(found)


# ---------------------------------------------------------------- the list


def test_the_list_groups_templates_by_project(client, template):
    make_part(project=make_project("blog"))
    page = seen(client.get("/templates/"))
    assert page.index("Blog blog/") < page.index("blog/footer · part") < page.index("Shop shop/")
    assert "Hello shop/hello · greeting" in page
    assert "en, de" in page


def test_every_word_is_looked_for_in_key_name_description_and_tags(client, template):
    Project.objects.filter(key="shop").update(name="GRÖSSE")
    make_template(key="other", name="Other", project=make_project("another"))
    for words in ["greets", "HELLO", "shop/he", "greeting shop", "Größe"]:
        with case(words):
            page = seen(client.get("/templates/", {"q": words}))
            assert "shop/hello" in page
            assert "another/other" not in page


def test_a_search_without_result_offers_the_way_back(client, template):
    assert "Nothing matches" in seen(client.get("/templates/?q=zeppelin"))


def test_the_list_filters_by_kind_and_tag(client, template):
    make_part()
    assert "shop/hello" not in seen(client.get("/templates/?kind=part"))
    assert "shop/footer" not in seen(client.get("/templates/?tag=greeting"))
    assert "shop/hello" in seen(client.get("/templates/?kind=template&tag=greeting&q=greets"))


def test_an_invalid_filter_lists_nothing_and_names_its_field(client, template):
    for query, field in [
        ("kind=nonsense", "Kind"),
        (f"q={'x' * 201}", "Search"),
        ("q=a%00", "Search"),
        (f"tag={'x' * 31}", "Tag"),
    ]:
        for headers in ({}, {"HX-Request": "true"}):
            with case((query, headers)):
                page = seen(client.get(f"/templates/?{query}", headers=headers))
                assert f"The filter is invalid, so nothing is listed. {field}:" in page
                assert "Show everything" in page
                assert "shop/hello" not in page


def test_a_search_keeps_the_chosen_kind_and_tag(client, template):
    page = client.get("/templates/?q=hello&kind=template&tag=greeting").content.decode()
    assert re.search('type="hidden" name="kind" value="template"', page)
    assert re.search('type="hidden" name="tag" value="greeting"', page)
    assert '<a class="chip" href="?q=hello&amp;kind=template" aria-current="true">' in page


def test_the_list_goes_on_over_pages(client, template):
    project = template.project
    Document.objects.bulk_create(
        Document(project=project, kind="template", key=f"t{number:03}", name=f"Number {number}")
        for number in range(130)
    )
    first = seen(client.get("/templates/?q=shop"))
    assert "page 1 of 3, 131 in total" in first
    assert "Number 129" not in first
    assert "Number 129" in seen(client.get("/templates/?q=shop&page=3"))
    assert "Number 129" in seen(client.get("/templates/?q=shop&page=77"))
    assert "page 1 of 3" in seen(client.get("/templates/?q=shop&page=x"))


def test_the_search_gets_only_the_list_while_typing(client, template):
    response = client.get("/templates/?q=hello", headers={"HX-Request": "true"})
    assert response.content.decode().lstrip().startswith('<div class="stack" id="templates">')
    assert response.headers["HX-Push-Url"] == "/templates/?q=hello"


def test_the_list_shows_drafts_and_what_is_not_published(client, ann, template):
    make_template(key="empty", content=None)
    publishing.save_draft(template, ann, saying("new"), 0)
    page = seen(client.get("/templates/?q=shop"))
    assert "Your draft Hello" in page
    assert "Not published Empty" in page


# ---------------------------------------------------------------- making and changing


def test_a_project_and_a_template_are_made(client):
    made = client.post("/templates/new/?what=project", {"name": "News", "key": "news", "tags": "a, b"})
    assert made.headers["Location"] == "/templates/news/"
    values = {"project": "news", "name": "Weekly", "key": "weekly", "description": "Each Monday"}
    made = client.post("/templates/new/", values)
    assert made.headers["Location"] == "/templates/news/template/weekly/"
    assert Project.objects.get(key="news").tags == ["a", "b"]
    assert "Not published yet" in seen(client.get(made.headers["Location"]))


@pytest.mark.both_databases
def test_what_cannot_be_a_project_is_refused_beside_its_field(client, template):
    for values, said in [
        ({"key": "Big Key"}, "Use lowercase letters, digits and _"),
        ({"key": "new"}, "This key is reserved"),
        ({"key": "shop"}, "There is already a project with this key."),
        ({"key": ""}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"tags": "a b!c"}, "“b!c” cannot be a tag"),
        ({"description": "x" * 501}, "at most 500 characters"),
        ({"name": "a\x00b"}, "Null characters are not allowed."),
    ]:
        with case(values):
            response = client.post("/templates/new/?what=project", {"name": "News", "key": "news", **values})
            assert response.status_code == 422
            assert said in seen(response)
            assert not Project.objects.filter(key="news").exists()


@pytest.mark.both_databases
def test_a_key_is_given_once_in_a_project(client, template):
    response = client.post("/templates/new/", {"project": "shop", "name": "Again", "key": "hello"})
    assert "This key is already used in the project." in seen(response)
    assert client.post("/templates/new/?what=part", {"project": "shop", "name": "P", "key": "hello"}).status_code == 302


def test_settings_changed_by_two_people_are_not_lost(client, template):
    page = client.get(BASE + "settings/")
    Document.objects.filter(pk=template.pk).update(name="Theirs")
    values = {"name": "Mine", "description": "", "tags": "", "original": hidden(page, "original")}
    response = client.post(BASE + "settings/", values)
    assert response.status_code == 422
    assert "Somebody else has changed this in the meantime." in seen(response)
    assert "Theirs" in seen(response)
    assert 'value="Mine"' in response.content.decode()
    values["original"] = hidden(response, "original")
    assert client.post(BASE + "settings/", values).status_code == 302
    assert Document.objects.get(pk=template.pk).name == "Mine"


def test_a_form_whose_memory_was_tampered_with_overwrites_nothing(client, template):
    values = {"name": "Mine", "original": signing.dumps(["x"], salt=SALT)}
    assert client.post(BASE + "settings/", values).status_code == 422
    assert client.post(BASE + "settings/", {"name": "Mine", "original": "garbage"}).status_code == 422
    assert Document.objects.get(pk=template.pk).name == "Hello"


def test_a_template_is_deleted_after_asking(client, template):
    assert "Delete “Hello”?" in seen(client.get(BASE + "deletion/"))
    assert client.post(BASE + "deletion/").headers["Location"] == "/templates/shop/"
    assert not Document.objects.filter(pk=template.pk).exists()


def test_a_part_in_use_is_not_deleted(client):
    make_part()
    make_template(content=saying('{% include "footer" %}'))
    assert "Programs that send mail" not in seen(client.get("/templates/shop/part/footer/deletion/"))
    response = client.post("/templates/shop/part/footer/deletion/")
    assert response.status_code == 422
    assert "templates use it. Hello shop/hello" in seen(response)
    assert client.post("/templates/shop/deletion/").status_code == 302
    assert not Project.objects.filter(key="shop").exists()


def test_what_came_with_the_program_is_not_deleted(client):
    make_template(project=make_project(is_protected=True))
    for path in (BASE, "/templates/shop/"):
        assert "not deleted" in seen(client.get(path + "deletion/"))
        refused = client.post(path + "deletion/")
        assert refused.status_code == 422
        assert seen(refused).count("not deleted") == 1
    assert Document.objects.filter(project__key="shop").count() == 1


# ---------------------------------------------------------------- one template


def test_the_page_of_a_template_shows_it_rendered_with_a_sample(client, template):
    samples.create_sample(template, name="Bea", values={"name": "Bea"})
    page = client.get(BASE + "?language=de")
    assert "Subject Hallo Bea" in seen(page)
    frame = attribute(page, r'sandbox src="([^"]+)"')
    shown = client.get(frame)
    assert "Hallo <b>Bea</b>!" in shown.content.decode()
    assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert shown.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Hallo Bea!" in seen(client.get(BASE + "?language=de&tab=text"))
    assert "Hallo <b>{{ name }}</b>!" in seen(client.get(BASE + "?language=de&tab=source"))


def test_odd_choices_fall_back_to_what_there_is(client, template):
    for query in ("?language=xx&sample=nobody&tab=9&version=x", "?version=", "?language=%00"):
        assert "Subject Hello Ann" in seen(client.get(BASE + query))
    assert client.get(BASE + "frame/?version=99").status_code == 404
    assert client.get(BASE + "frame/?version=999999999999999999999").status_code == 200


def test_the_page_says_how_many_mails_used_the_template(client, template):
    assert "used for no message in 30 days" in seen(client.get(BASE))
    queued(template="shop/hello")
    assert "used for one message in 30 days" in seen(client.get(BASE))
    queued(template="shop/hello")
    queued(template="shop/other")
    assert "Used for 2 messages in 30 days" in seen(client.get(BASE + "versions/"))


def test_the_page_of_a_part_names_the_templates_that_use_it(client):
    make_part(html="<p>The footer</p>")
    page = seen(client.get("/templates/shop/part/footer/"))
    assert "None yet." in page
    assert "so there is no preview" in page
    make_template(content=saying('<p>Hi</p>{% include "footer" %}'))
    page = seen(client.get("/templates/shop/part/footer/"))
    assert "Templates that use it Hello shop/hello" in page
    assert "shown in “Hello”" in page
    assert "The footer" in client.get("/templates/shop/part/footer/frame/").content.decode()


def test_a_sample_that_does_not_fit_is_explained_instead_of_shown(client, template):
    samples.create_sample(template, name="Empty", values={})
    page = seen(client.get(BASE))
    assert "This does not render with this sample." in page
    assert client.get(BASE + "frame/").status_code == 404


def test_what_does_not_exist_is_not_found(client, template):
    for path in [
        "/templates/nowhere/",
        "/templates/shop/template/nowhere/",
        "/templates/shop/part/hello/",
        "/templates/shop/thing/hello/",
        BASE + "versions/99/",
        BASE + "versions/99999999999999999999/",
        BASE + "diff/?from=99",
        BASE + "reset/",
        BASE + "samples/99/",
        BASE + "samples/99999999999999999999/",
    ]:
        with case(path):
            assert client.get(path).status_code == 404


# ---------------------------------------------------------------- versions


def test_versions_are_listed_with_author_and_note(client, ann, template):
    publishing.publish(template, ann, saying("<p>New</p>"), "Shorter", template.published)
    page = seen(client.get(BASE + "versions/"))
    assert "Version 2: Shorter Published Ann" in page
    assert "Version 1: First" in page
    assert "Subject Hello Ann" in seen(client.get(BASE + "versions/1/"))


def test_the_difference_of_two_versions_marks_lines_and_words(client, ann, template):
    new = Content(
        {**HELLO.languages, "en": Texts("Hello {{ name }}", HELLO.languages["en"].html.replace("Nice", "Bad"))},
        variables=HELLO.variables,
    )
    publishing.publish(template, ann, new, "", template.published)
    page = client.get(BASE + "diff/").content.decode()
    assert "<del>Nice</del>" in page
    assert "<ins>Bad</ins>" in page
    assert "These versions are identical" in seen(client.get(BASE + "diff/?from=1&to=1"))


def test_an_old_version_is_restored_after_asking(client, ann, template):
    publishing.publish(template, ann, saying("<p>New</p>"), "", template.published)
    page = client.get(BASE + "versions/1/restoration/")
    assert "Changes" in seen(page)
    done = client.post(BASE + "versions/1/restoration/", {"replaces": hidden(page, "replaces"), "note": "Better"})
    assert done.headers["Location"] == BASE
    template.refresh_from_db()
    assert (template.published.number, template.published.note) == (3, "Better")


def test_restoring_over_a_version_that_was_not_shown_changes_nothing(client, ann, template):
    publishing.publish(template, ann, saying("<p>New</p>"), "", template.published)
    page = client.get(BASE + "versions/1/restoration/")
    publishing.publish(template, None, saying("<p>Newer</p>"), "", template.published)
    response = client.post(BASE + "versions/1/restoration/", {"replaces": hidden(page, "replaces")})
    assert response.status_code == 422
    assert "Version 3 has been published in the meantime. Nothing was changed." in seen(response)
    assert hidden(response, "replaces") == "3"
    assert client.post(BASE + "versions/1/restoration/", {"replaces": "x"}).status_code == 422


def test_an_edited_builtin_is_reset(client, ann):
    template = make_template(content=None)
    make_builtin(template, saying("<p>from the program</p>"))
    publishing.publish(template, ann, saying("<p>edited</p>"), "", template.published)
    page = client.get(BASE + "reset/")
    assert client.post(BASE + "reset/", {"replaces": hidden(page, "replaces")}).status_code == 302
    template.refresh_from_db()
    assert template.published.is_builtin
    assert "The published version is identical" in seen(client.get(BASE + "reset/"))


# ---------------------------------------------------------------- publishing


def test_a_draft_is_published_from_its_page(client, ann, template):
    publishing.save_draft(template, ann, saying("<p>New</p>"), 0)
    page = client.get(BASE + "publication/")
    assert "Changes" in seen(page)
    sent = {"replaces": hidden(page, "replaces"), "revision": hidden(page, "revision"), "note": "Shorter"}
    assert client.post(BASE + "publication/", sent).headers["Location"] == BASE
    template.refresh_from_db()
    assert (template.published.number, template.published.note) == (2, "Shorter")
    assert "You have no draft" in seen(client.get(BASE + "publication/"))


def test_a_draft_that_breaks_is_refused_with_what_fails(client, ann, template):
    publishing.save_draft(template, ann, saying("<p>{{ nmae }}</p>", variables=HELLO.variables), 0)
    assert "This draft cannot be published." in seen(client.get(BASE + "publication/"))
    response = client.post(BASE + "publication/", {"revision": "1"})
    assert response.status_code == 422
    assert "nmae" in seen(response)
    assert template.versions.count() == 1


def test_warnings_are_shown_before_publishing(client, ann, template):
    picture = '<p>Hello {{ name }} <img src="https://example.com/a.png" width="10"></p>'
    publishing.save_draft(template, ann, saying(picture, variables=HELLO.variables), 0)
    assert "One warning" in seen(client.get(BASE + "publication/"))


def test_publishing_over_somebody_elses_version_is_told_and_done_only_knowingly(client, ann, template):
    publishing.save_draft(template, ann, saying("<p>mine</p>"), 0)
    bob = make_user("bob@example.com", name="Bob")
    publishing.publish(template, bob, saying("<p>theirs</p>"), "", template.published)
    page = client.get(BASE + "publication/")
    assert "Bob published version 2 after you started this draft." in seen(page)
    assert "Published in the meantime" in seen(page)
    sent = {"replaces": hidden(page, "replaces"), "revision": "1", "note": "kept"}
    response = client.post(BASE + "publication/", sent)
    assert response.status_code == 422
    assert "Your draft was kept. Nothing was published." in seen(response)
    assert "Publish mine although" in seen(response)
    assert 'type="checkbox" name="overwrite"' in response.content.decode()
    assert 'value="kept"' in response.content.decode()
    assert client.post(BASE + "publication/", {**sent, "overwrite": "on"}).status_code == 302
    assert [one.number for one in template.versions.all()] == [3, 2, 1]


def test_a_draft_changed_in_another_tab_is_not_published_unseen(client, ann, template):
    publishing.save_draft(template, ann, saying("<p>one</p>"), 0)
    publishing.save_draft(template, ann, saying("<p>two</p>"), 1)
    response = client.post(BASE + "publication/", {"revision": "1"})
    assert "This draft has been saved in another tab in the meantime." in seen(response)
    assert template.versions.count() == 1


def test_a_draft_is_deleted(client, ann, template):
    publishing.save_draft(template, ann, saying("<p>one</p>"), 0)
    assert client.post(BASE + "draft/deletion/").status_code == 302
    assert client.post(BASE + "draft/deletion/").status_code == 302
    assert publishing.draft_of(template, ann) is None


# ---------------------------------------------------------------- a newer built-in


LINES = "<p>one</p>\n<p>two</p>\n<p>three</p>\n<p>four</p>\n"


@pytest.fixture
def outdated(ann):
    template = make_template(content=None)
    make_builtin(template, saying(LINES))
    publishing.publish(template, ann, saying(LINES.replace("four", "vier")), "", template.published)
    make_builtin(template, saying(LINES.replace("one", "ONE")))
    return template


def test_a_newer_builtin_is_announced_with_the_three_texts(client, outdated):
    assert "Newer built-in Hello" in seen(client.get("/templates/?q=shop"))
    assert "A newer built-in version of this template is available" in seen(client.get(BASE))
    page = seen(client.get(BASE + "upgrade/"))
    assert "new in the built-in Common base <p>one</p> New built-in <p>ONE</p> Yours <p>one</p>" in page
    assert "your change" in page


def test_what_is_new_is_taken_over_into_a_draft_and_published(client, ann, outdated):
    response = client.post(BASE + "upgrade/", {"choice": "merge"})
    assert response.headers["Location"] == BASE + "publication/"
    draft = publishing.draft_of(outdated, ann)
    assert draft.read() == saying(LINES.replace("one", "ONE").replace("four", "vier"))
    assert client.post(BASE + "publication/", {"revision": "1"}).status_code == 302
    assert "No newer version" in seen(client.get(BASE + "upgrade/"))
    assert "Newer built-in" not in seen(client.get("/templates/?q=shop"))


def test_a_place_that_both_changed_stays_as_it_was_when_what_is_new_is_taken_over(client, outdated):
    make_builtin(outdated, saying(LINES.replace("one", "ONE").replace("four", "4")))
    assert re.search(rf'href="{BASE}upgrade/">\s*Compare the texts', client.get(BASE).content.decode())
    assert "one place was changed by both" in seen(client.get(BASE + "upgrade/"))
    page = client.post(BASE + "upgrade/", {"choice": "merge"}, follow=True)
    sent = {
        "replaces": hidden(page, "replaces"),
        "revision": hidden(page, "revision"),
        "note": "What is new in the program",
    }
    assert "Version 5 was published." in seen(client.post(BASE + "publication/", sent, follow=True))
    outdated.refresh_from_db()
    assert outdated.published.read() == saying(LINES.replace("one", "ONE").replace("four", "vier"))


def test_a_draft_is_not_overwritten_by_what_is_new(client, ann, outdated):
    publishing.save_draft(outdated, ann, saying("<p>mine</p>"), 0)
    response = client.post(BASE + "upgrade/", {"choice": "merge"})
    assert response.status_code == 422
    assert "You have a draft of this template." in seen(response)
    assert publishing.draft_of(outdated, ann).read() == saying("<p>mine</p>")


def test_whoever_keeps_theirs_is_not_asked_again(client, outdated):
    assert client.post(BASE + "upgrade/", {"choice": "keep"}).status_code == 302
    assert "A newer built-in version of this template is available" not in seen(client.get(BASE))
    assert client.post(BASE + "upgrade/", {"choice": "what"}).status_code == 200


# ---------------------------------------------------------------- samples


def test_a_sample_is_made_changed_and_deleted(client, template):
    assert '"name": "Ann"' in seen(client.get(BASE + "samples/new/"))
    made = client.post(BASE + "samples/new/", {"name": "Bea", "values": '{"name": "Bea"}'})
    assert made.headers["Location"] == BASE + "samples/"
    assert "Renders Bea" in seen(client.get(BASE + "samples/"))
    sample = Sample.objects.get(document=template)
    path = f"{BASE}samples/{sample.pk}/"
    page = client.get(path)
    sent = {"name": "Nobody", "values": "{}", "original": hidden(page, "original")}
    assert client.post(path, sent).status_code == 302
    assert "Fails Nobody" in seen(client.get(BASE + "samples/"))
    assert client.post(path, {**sent, "name": "Late"}).status_code == 422
    assert client.post(path + "deletion/").status_code == 302
    assert "No sample yet" in seen(client.get(BASE + "samples/"))


@pytest.mark.both_databases
def test_values_that_are_not_plain_json_are_refused_with_the_place(client, template):
    for values, said in [
        ("{", "Line 1, column 2:"),
        ("[]", "Enter an object"),
        ('{"a": NaN}', "not valid JSON"),
        ('{"a": 1e999}', "Values can only be"),
        ('{"a": "\\u0000"}', "a character that cannot be stored"),
        ('{"a": "\\ud800"}', "a character that cannot be stored"),
        ('{"a": ' + "[" * 30 + "]" * 30 + "}", "20 levels deep"),
        ("[" * 100_000, "JSON"),
        ('{"a": "' + "x" * 100_001 + '"}', "At most 100,000 characters."),
        ("", "This field is required."),
    ]:
        with case(values):
            response = client.post(BASE + "samples/new/", {"name": "Bad", "values": values})
            assert response.status_code == 422
            assert said in seen(response)
            assert not Sample.objects.filter(document=template).exists()


def test_a_sample_of_the_program_can_be_edited_but_not_deleted(client, template):
    sample = Sample.objects.create(document=template, name="Usual", values={"name": "Ann"}, is_builtin=True)
    response = client.post(f"{BASE}samples/{sample.pk}/deletion/")
    assert response.status_code == 422
    assert "This sample is built in." in seen(response)


def test_parts_have_no_samples(client):
    make_part()
    assert client.get("/templates/shop/part/footer/samples/").status_code == 404


# ---------------------------------------------------------------- shared values


def test_a_shared_value_is_made_changed_and_deleted(client, template):
    sent = {"name": "support", "value": "help@example.com", "description": "Who helps"}
    assert client.post("/templates/shared/", sent).status_code == 302
    shared = SharedValue.objects.get(name="support")
    original = hidden(client.get("/templates/shared/"), f"v{shared.pk}-original")
    path = f"/templates/shared/{shared.pk}/"
    assert (
        client.post(path, {f"v{shared.pk}-value": "new@example.com", f"v{shared.pk}-original": original}).status_code
        == 302
    )
    late = client.post(path, {f"v{shared.pk}-value": "late@example.com", f"v{shared.pk}-original": original})
    assert late.status_code == 422
    assert "new@example.com" in seen(late)
    assert 'value="late@example.com"' in late.content.decode()
    assert client.post(path + "deletion/").status_code == 302
    assert not SharedValue.objects.filter(name="support").exists()


def test_names_that_cannot_be_used_are_refused(client):
    count = SharedValue.objects.count()
    for name in ["language", "base_url", "With Space", "", "x" * 51, "range"]:
        with case(name):
            assert client.post("/templates/shared/", {"name": name, "value": "x"}).status_code == 422
            assert SharedValue.objects.count() == count


def test_a_shared_value_that_a_published_text_names_is_kept(client):
    shared = samples.create_shared_value(name="support", value="x")
    make_template(content=saying("<p>{{ support }}</p>"))
    response = client.post(f"/templates/shared/{shared.pk}/deletion/", follow=True)
    assert "A published text uses “support”." in seen(response)
    assert SharedValue.objects.filter(name="support").exists()


# ---------------------------------------------------------------- who may


def test_whoever_lacks_the_permission_sees_no_page(template, colleague_client):
    for path in ("/templates/", "/templates/new/", "/templates/shared/", "/templates/shop/", BASE, BASE + "frame/"):
        assert colleague_client.get(path).status_code == 403
    assert "Templates" not in seen(colleague_client.get("/"))


def test_actions_need_a_post(client, template):
    for path in ("draft/deletion/",):
        assert client.get(BASE + path).status_code == 405
    assert client.post(BASE).status_code == 405
