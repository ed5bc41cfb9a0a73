"""The editor page and its draft: what is saved, shown and refused, and the messages."""

import re
from html import unescape

import pytest
from django.test import Client

from templates_app.content.content import MAX_TEXT, Content, Texts, Variable
from templates_app.library import publishing, samples
from templates_app.models import Draft, Sample
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.templates_app.editor.editing import path, typed, values, variable_rows
from tests.templates_app.makers import HELLO, make_part, make_template, saying

pytestmark = pytest.mark.django_db

EDIT = "templates_app.edit_templates"


@pytest.fixture
def ann():
    return make_user("ann@example.com", EDIT, name="Ann")


@pytest.fixture
def bob():
    return make_user("bob@example.com", EDIT, name="Bob")


@pytest.fixture
def client(ann):
    return signed_in(ann)


@pytest.fixture
def template():
    return make_template()


def words(response):
    """Return the text of a page without tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", response.content.decode())))


# ---------------------------------------------------------------- the draft


def test_opening_the_editor_stores_nothing(client, template):
    response = client.get(path(template))
    assert response.status_code == 200
    assert 'value="Hello {{ name }}"' in response.content.decode()
    assert not Draft.objects.exists()


def test_what_is_typed_is_kept_as_the_persons_draft(client, ann, bob, template):
    response = client.post(path(template, "draft"), typed(template, ann, html="<p>Dear {{ name }}</p>"))
    assert response.status_code == 200
    assert 'data-revision="1"' in response.content.decode()
    draft = publishing.draft_of(template, ann)
    assert draft.read().languages["en"].html == "<p>Dear {{ name }}</p>"
    assert draft.read().languages["de"] == HELLO.languages["de"]
    assert publishing.draft_of(template, bob) is None


def test_line_ends_of_browsers_change_nothing(client, ann, template):
    html = HELLO.languages["en"].html.replace("\n", "\r\n")
    client.post(path(template, "draft"), typed(template, ann, html=html))
    assert not Draft.objects.exists()


def test_the_answer_says_what_the_draft_renders_to(client, ann, template):
    response = client.post(path(template, "draft"), typed(template, ann, html="<p>Dear <i>{{ name }}</i></p>"))
    page = response.content.decode()
    assert 'data-renders="yes"' in page
    assert "Hello Ann" in page
    assert "Dear Ann" in page
    assert "&lt;p&gt;Dear &lt;i&gt;Ann" in page


def test_the_frame_shows_the_draft_and_nothing_else_may_be_done_in_it(client, ann, template):
    client.post(path(template, "draft"), typed(template, ann, html="<p>Dear {{ name }}</p><script>x()</script>"))
    response = client.get(path(template, "draft_frame"), {"language": "en", "revision": 1})
    assert "Dear Ann" in response.content.decode()
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_the_frame_turns_the_mails_own_dark_rules_on_and_off(client, ann, template):
    html = "<style>@media (prefers-color-scheme: dark) { p { color: white } }</style><p>{{ name }}</p>"
    client.post(path(template, "draft"), typed(template, ann, html=html))
    light, dark = (client.get(path(template, "draft_frame"), {"dark": one}).content.decode() for one in ("0", "1"))
    assert "(max-width: 0)" in light
    assert "color-scheme:light" in light
    assert "(min-width: 0)" in dark
    assert "color-scheme:dark" in dark


def test_a_draft_of_another_language_is_seen_in_it(client, ann, template):
    data = typed(template, ann, "de", html="<p>Liebe {{ name }}</p>")
    assert "Liebe Ann" in client.post(path(template, "draft"), data).content.decode()
    draft = publishing.draft_of(template, ann).read()
    assert draft.languages["en"] == HELLO.languages["en"]
    assert draft.languages["de"].html == "<p>Liebe {{ name }}</p>"


def test_somebody_elses_draft_is_not_shown(client, ann, bob, template):
    signed_in(bob).post(path(template, "draft"), typed(template, bob, html="<p>Secret plan</p>"))
    assert b"Secret plan" not in client.get(path(template)).content
    assert b"Secret plan" not in client.get(path(template, "draft_frame")).content


# ---------------------------------------------------------------- problems


def test_a_syntax_error_is_named_with_its_part_and_line_and_the_draft_is_kept(client, ann, template):
    html = "<p>One</p>\n<p>Two</p>\n{% if name %}\n"
    response = client.post(path(template, "draft"), typed(template, ann, html=html))
    assert response.status_code == 200
    page = response.content.decode()
    assert 'data-renders="no"' in page
    assert re.search(r'data-part="html" data-line="\d"', page)
    assert "HTML, line" in words(response)
    assert publishing.draft_of(template, ann).read().languages["en"].html == html


def test_an_unknown_variable_is_named_with_its_line(client, ann, template):
    response = client.post(path(template, "draft"), typed(template, ann, html="<p>Hi</p>\n<p>{{ nmae }}</p>"))
    assert 'data-part="html" data-line="2"' in response.content.decode()
    assert "nmae" in words(response)


def test_a_problem_in_the_subject_is_told_there(client, ann, template):
    page = client.post(path(template, "draft"), typed(template, ann, subject="{{ nobody }}")).content.decode()
    assert 'href="#id_subject"' in page
    assert 'data-part="subject"' in page


def test_a_problem_in_a_part_leads_to_the_part(client, ann, template):
    make_part(key="box", html="{% macro box(text) %}{{ text }}{{ nobody }}{% endmacro %}x", text="")
    html = '{% from "shop/box" import box %}<p>{{ box(name) }}</p>'
    page = client.post(path(template, "draft"), typed(template, ann, html=html)).content.decode()
    assert 'data-renders="no"' in page
    assert 'href="/templates/shop/part/box/edit/"' in page


def test_a_hostile_template_gets_a_plain_sentence(client, ann, template):
    for bomb in [
        "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 10 ** 9 }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ name.__class__.__mro__[1].__subclasses__() }}",
        "{% include '../../etc/passwd' %}",
        "{{ self.__init__.__globals__ }}",
    ]:
        with case(bomb):
            response = client.post(path(template, "draft"), typed(template, ann, html=bomb))
            assert response.status_code == 200
            assert 'data-renders="no"' in response.content.decode()
            assert "This does not render." in words(response)
            assert "Traceback" not in words(response)
            framed = client.get(path(template, "draft_frame"))
            assert framed.status_code == 200
            assert "This does not render." in words(framed)
            assert client.get(path(template)).status_code == 200


def test_a_text_that_is_too_long_is_refused_at_its_field_and_nothing_is_kept(client, ann, template):
    response = client.post(path(template, "draft"), typed(template, ann, html="x" * (MAX_TEXT + 1)))
    assert response.status_code == 422
    assert 'href="#id_html"' in response.content.decode()
    assert "longer than 200,000 characters" in words(response)
    assert not Draft.objects.exists()


def test_a_control_character_is_refused_with_its_line(client, ann, template):
    response = client.post(path(template, "draft"), typed(template, ann, html="<p>One</p>\r\n<p>T\x1bwo</p>"))
    assert response.status_code == 422
    assert "There is a control character in line 2." in words(response)
    tried = values(template, '{"name": "A\\u0001"}', '{"name": "Ann"}', name="Ann")
    assert "control character" in words(client.post(path(template, "draft"), typed(template, ann) | tried))
    assert not Draft.objects.exists()


def test_a_text_as_long_as_may_be_is_kept(client, ann, template):
    html = "<p>word</p>\n" * (MAX_TEXT // 12)
    assert client.post(path(template, "draft"), typed(template, ann, html=html)).status_code == 200
    assert publishing.draft_of(template, ann).read().languages["en"].html == html


def test_nonsense_in_hidden_fields_is_refused(client, ann, template):
    for field in ["language", "revision", "based_on"]:
        for nonsense in ["", "x", "-1", "9" * 40, "<script>", "\x00"]:
            with case(field, nonsense):
                data = typed(template, ann, html="<p>New</p>") | {field: nonsense}
                for name in ("draft", "edit", "edit_publication", "edit_sample"):
                    assert client.post(path(template, name), data).status_code == 422, name
                assert not Draft.objects.exists()


def test_an_empty_post_is_refused(client, template):
    for name in ("draft", "edit", "edit_publication", "edit_sample"):
        assert client.post(path(template, name)).status_code == 422, name


# ---------------------------------------------------------------- variables


def test_a_variable_is_added_changed_and_removed(client, ann, template):
    new = {"name": "amount", "type": "number", "description": "How much", "sample": "4.50", "required": "on"}
    client.post(path(template, "draft"), typed(template, ann) | variable_rows(HELLO.variables, new))
    amount = Variable("amount", "number", "How much", 4.5)
    assert publishing.draft_of(template, ann).read().variables == (*HELLO.variables, amount)
    client.post(
        path(template, "draft"), typed(template, ann) | {"variables-1-type": "text", "variables-0-DELETE": "on"}
    )
    assert publishing.draft_of(template, ann).read().variables == (Variable("amount", "text", "How much", "4.5"),)


def test_a_variable_is_declared_secret(client, ann, template):
    new = {"name": "link", "type": "url", "sample": "https://example.com/", "required": "on", "secret": "on"}
    client.post(path(template, "draft"), typed(template, ann) | variable_rows(HELLO.variables, new))
    link = Variable("link", "url", "", "https://example.com/", secret=True)
    assert publishing.draft_of(template, ann).read().variables == (*HELLO.variables, link)
    page = client.get(path(template, "edit")).content.decode()
    assert re.search(r'name="variables-1-secret"[^>]* checked', page)
    assert not re.search(r'name="variables-0-secret"[^>]* checked', page)


def test_a_wrong_variable_is_told_at_its_field(client, ann, template):
    for row, sentence in [
        ({"name": "Amount", "type": "text"}, "Use lowercase letters"),
        ({"name": "loop", "type": "text"}, "is reserved in templates"),
        ({"name": "name", "type": "text"}, "declared twice"),
        ({"name": "amount", "type": "number", "sample": "much"}, "must be a number"),
        ({"name": "items", "type": "list", "sample": "[1,\n2"}, "not JSON: line 2"),
        ({"name": "items", "type": "object", "sample": "[1]"}, "must be an object"),
        ({"name": "deep", "type": "list", "sample": "[" * 5000 + "]" * 5000}, "cannot be stored"),
        ({"name": "day", "type": "date", "sample": "tomorrow"}, "must be a date"),
        ({"name": "", "type": "text", "sample": "x"}, "Enter a name for the variable"),
        ({"name": "kind", "type": "magic"}, "magic"),
    ]:
        with case(row):
            data = typed(template, ann, html="<p>New</p>") | variable_rows(HELLO.variables, row)
            for name in ("draft", "edit"):
                response = client.post(path(template, name), data)
                assert response.status_code == 422
                assert sentence in words(response)
                assert "#id_variables-1-" in response.content.decode()
            assert not Draft.objects.exists()


def test_an_empty_row_is_no_variable(client, ann, template):
    empty = {"name": "", "type": "text", "sample": "", "description": ""}
    client.post(
        path(template, "draft"), typed(template, ann, html="<p>New</p>") | variable_rows(HELLO.variables, empty)
    )
    assert publishing.draft_of(template, ann).read().variables == HELLO.variables


def test_too_many_variables_are_refused(client, ann, template):
    rows = [{"name": f"v{number}", "type": "text"} for number in range(150)]
    response = client.post(path(template, "draft"), typed(template, ann) | variable_rows((), *rows))
    assert response.status_code == 422


# ---------------------------------------------------------------- samples


def test_values_that_are_tried_are_seen_and_the_sample_stays(client, ann, template):
    samples.create_sample(template, name="Ann", values={"name": "Ann"})
    data = typed(template, ann) | values(template, '{"name": "Ann"}', '{"name": "Ann"}', "Ann", name="Berta")
    assert "Hello Berta" in client.post(path(template, "draft"), data).content.decode()
    assert "Hello <b>Berta" in client.get(path(template, "draft_frame"), {"sample": "Ann"}).content.decode()
    assert Sample.objects.get(document=template).values == {"name": "Ann"}
    assert "not saved" in words(client.get(path(template), {"sample": "Ann"}))


def test_values_that_go_back_to_the_samples_own_are_not_tried_any_more(client, ann, template):
    samples.create_sample(template, name="Ann", values={"name": "Ann"})
    for shown, name in (("Ann", "Berta"), ("Berta", "Ann")):
        json = f'{{"name": "{shown}"}}'
        client.post(path(template, "draft"), typed(template, ann) | values(template, json, json, "Ann", name=name))
    assert publishing.draft_of(template, ann).sample_values == {}


def test_a_new_variable_brings_its_sample_value_along(client, ann, template):
    shown = '{"name": "Ann"}'
    new = {"name": "amount", "type": "number", "sample": "4", "required": "on"}
    data = typed(template, ann, html="<p>{{ amount }}</p>") | variable_rows(HELLO.variables, new)
    response = client.post(path(template, "draft"), data | values(template, shown, shown, name="Ann"))
    assert 'data-renders="yes"' in response.content.decode()
    assert publishing.draft_of(template, ann).sample_values == {}


def test_the_json_counts_where_it_was_edited(client, ann, template):
    data = typed(template, ann) | values(template, '{"name": "Carl"}', '{"name": "Ann"}', name="Ann")
    assert "Hello Carl" in client.post(path(template, "draft"), data).content.decode()


def test_the_tab_that_was_edited_last_counts(client, ann, template):
    both = values(template, '{"name": "Carl"}', '{"name": "Ann"}', name="Berta")
    for tab, name in (("form", "Berta"), ("json", "Carl")):
        data = typed(template, ann) | both | {"values_from": tab}
        assert f"Hello {name}" in client.post(path(template, "draft"), data).content.decode()


def test_a_wrong_value_is_told_at_its_field_and_the_texts_are_kept(client, ann):
    template = make_template(content=saying("<p>{{ n }}</p>", variables=[Variable("n", "number", sample=1)]))
    data = typed(template, ann, html="<p>New {{ n }}</p>")
    for fields, where in (
        (values(template, '{"n": 1}', '{"n": 1}', n="many"), "#id_value-n"),
        (values(template, '{"n": ', '{"n": 1}', n="1"), "#id_values_json"),
    ):
        response = client.post(path(template, "draft"), data | fields)
        assert where in response.content.decode()
        assert "These values are not used." in words(response)
        data["revision"] = 1
    assert publishing.draft_of(template, ann).read().languages["en"].html == "<p>New {{ n }}</p>"


def test_values_are_kept_in_the_sample_or_as_a_new_one(client, ann, template):
    samples.create_sample(template, name="Ann", values={"name": "Ann"})
    tried = values(template, '{"name": "Ann"}', '{"name": "Ann"}', "Ann", name="Anna")
    client.post(path(template, "edit_sample"), typed(template, ann) | tried | {"do": "save"})
    assert Sample.objects.get(document=template).values == {"name": "Anna"}
    tried = values(template, '{"name": "Anna"}', '{"name": "Anna"}', "Ann", name="Berta")
    response = client.post(
        path(template, "edit_sample"), typed(template, ann) | tried | {"do": "add", "sample_name": "B"}
    )
    assert response.status_code == 302
    assert {one.name: one.values for one in template.samples.all()} == {"Ann": {"name": "Anna"}, "B": {"name": "Berta"}}
    assert publishing.draft_of(template, ann).sample_values == {}


def test_a_sample_that_somebody_else_changed_is_not_overwritten(client, ann, template):
    sample = samples.create_sample(template, name="Ann", values={"name": "Ann"})
    tried = values(template, '{"name": "Ann"}', '{"name": "Ann"}', "Ann", name="Mine")
    client.post(path(template, "draft"), typed(template, ann) | tried)
    samples.change_sample(sample, {"name": "Ann", "values": {"name": "Ann"}}, name="Ann", values={"name": "Theirs"})
    tried = values(template, '{"name": "Mine"}', '{"name": "Mine"}', "Ann", name="Mine")
    response = client.post(path(template, "edit_sample"), typed(template, ann) | tried | {"do": "save"}, follow=True)
    assert "Somebody else has changed this sample in the meantime" in words(response)
    assert Sample.objects.get(document=template).values == {"name": "Theirs"}
    assert "Mine" in words(response)


# ---------------------------------------------------------------- two at once


def test_a_second_tab_is_told_with_both_texts_and_nothing_is_lost(client, ann, template):
    opened = typed(template, ann)
    client.post(path(template, "draft"), opened | {"html": "<p>First tab</p>"})
    late = opened | {"html": "<p>Second tab</p>"}
    for name in ("draft", "edit"):
        response = client.post(path(template, name), late)
        assert response.status_code == 422
        assert 'data-theirs-revision="1"' in response.content.decode()
        assert "changed in another window" in words(response)
        assert "First" in words(response)
        assert "Second" in words(response)
    assert "&lt;p&gt;Second tab&lt;/p&gt;</textarea>" in response.content.decode()
    assert publishing.draft_of(template, ann).read().languages["en"].html == "<p>First tab</p>"
    assert client.post(path(template, "draft"), late | {"revision": 1}).status_code == 200
    assert publishing.draft_of(template, ann).read().languages["en"].html == "<p>Second tab</p>"


def test_the_same_text_in_two_tabs_is_no_conflict(client, ann, template):
    same = typed(template, ann, html="<p>Same</p>")
    assert client.post(path(template, "draft"), same).status_code == 200
    assert client.post(path(template, "draft"), same).status_code == 200


def test_publishing_over_somebody_elses_version_is_refused_with_both_texts(client, ann, bob, template):
    mine = typed(template, ann, html="<p>Mine</p>")
    client.post(path(template, "draft"), mine)
    publishing.publish(template, bob, saying("<p>Theirs</p>"), "", template.published)
    assert "was published after you started this draft" in words(client.get(path(template)))
    response = client.post(path(template, "edit_publication"), mine | {"revision": 1})
    assert response.status_code == 422
    assert "Bob has published version 2 in the meantime" in words(response)
    assert "Theirs" in words(response)
    assert "&lt;p&gt;Mine&lt;/p&gt;</textarea>" in response.content.decode()
    assert "Publish over version 2" in words(response)
    template.refresh_from_db()
    assert template.published.number == 2
    overwriting = mine | {"revision": 1, "based_on": 2}
    assert client.post(path(template, "edit_publication"), overwriting).status_code == 302
    template.refresh_from_db()
    assert template.published.number == 3


def test_a_draft_that_was_published_in_another_tab_is_not_typed_over(client, ann, template):
    data = typed(template, ann, html="<p>One</p>")
    client.post(path(template, "draft"), data)
    client.post(path(template, "edit_publication"), data | {"revision": 1})
    response = client.post(path(template, "draft"), data | {"revision": 1, "html": "<p>Two</p>"})
    assert response.status_code == 422
    assert "has published version 2 in the meantime" in words(response)
    assert client.post(path(template, "draft"), data | {"revision": 0, "html": "<p>Two</p>"}).status_code == 200


# ---------------------------------------------------------------- publishing


def test_what_is_typed_is_published_with_its_note(client, ann, template):
    data = typed(template, ann, html="<p>Dear {{ name }}</p>") | {"note": "Warmer words"}
    response = client.post(path(template, "edit_publication"), data)
    assert response["Location"] == "/templates/shop/template/hello/"
    template.refresh_from_db()
    assert template.published.note == "Warmer words"
    assert template.published.read().languages["en"].html == "<p>Dear {{ name }}</p>"
    assert not Draft.objects.exists()


def test_publishing_is_refused_while_a_sample_in_any_language_does_not_render(client, ann, template):
    samples.create_sample(template, name="Good", values={"name": "Ann"})
    samples.create_sample(template, name="Empty", values={})
    response = client.post(path(template, "edit_publication"), typed(template, ann, html="<p>New</p>"))
    assert response.status_code == 422
    assert "Not published: a sample does not render" in words(response)
    assert "with Empty (en, de)" in words(response)
    assert publishing.draft_of(template, ann).read().languages["en"].html == "<p>New</p>"
    template.refresh_from_db()
    assert template.published.number == 1


def test_what_fails_in_another_language_leads_there(client, ann, template):
    client.post(path(template, "draft"), typed(template, ann, "de", html="{{ nobody }}"))
    response = client.post(path(template, "edit_publication"), typed(template, ann))
    assert response.status_code == 422
    assert 'href="/templates/shop/template/hello/edit/?language=de"' in response.content.decode()


def test_publishing_what_is_published_already_says_so(client, ann, template):
    response = client.post(path(template, "edit_publication"), typed(template, ann), follow=True)
    assert "The published version is identical" in words(response)


# ---------------------------------------------------------------- without JavaScript


def test_the_page_alone_saves_and_shows_everything(client, ann, template):
    data = typed(template, ann, html="<p>Dear <i>{{ name }}</i></p>") | {"then": "look", "phone": "1", "dark": "1"}
    response = client.post(path(template), data)
    assert response.status_code == 302
    assert response["Location"].endswith("?language=en&sample=&phone=1&dark=1")
    page = client.get(response["Location"])
    assert "Dear Ann" in words(page)
    assert "draft/frame/?language=en&amp;sample=&amp;phone=1&amp;dark=1&amp;revision=1" in page.content.decode()


def test_languages_are_changed_added_copied_and_removed(client, ann, template):
    def press(then, language="en", **fields):
        return client.post(path(template), typed(template, ann, language, then=then, **fields))["Location"]

    assert "language=de" in press("language:de")
    assert "language=fr-CA" in press("add", add_language="fr-CA")
    assert "Français" not in words(client.get(path(template), {"language": "fr-CA"}))
    press("copy:en", "fr-CA")
    assert publishing.draft_of(template, ann).read().languages["fr-CA"] == HELLO.languages["en"]
    assert "language=en" in press("remove:fr-CA", "fr-CA")
    press("remove:en")
    assert set(publishing.draft_of(template, ann).read().languages) == {"en", "de"}
    press("add", add_language="<b>")
    assert "is not a language code" in words(client.get(path(template)))


def test_a_part_is_seen_in_the_templates_that_use_it(client, ann):
    part = make_part(html="<p>Bye, {{ brand_name }}</p>")
    make_template(content=saying('<p>Hi</p>{% include "shop/footer" %}'))
    data = {"language": "en", "revision": 0, "based_on": 1, "html": "<p>See you</p>", "text": ""}
    response = client.post(path(part, "draft"), data)
    assert "See you" in response.content.decode()
    assert "Hi" in client.get(path(part, "draft_frame")).content.decode()
    page = client.get(path(part))
    assert "shop/hello" in words(page)
    assert "id_subject" not in page.content.decode()
    assert "variables-TOTAL_FORMS" not in page.content.decode()
    assert client.post(path(part, "edit_publication"), data | {"revision": 1}).status_code == 302


def test_a_part_that_nothing_uses_is_seen_alone(client, ann):
    part = make_part(html="<p>Lonely</p>")
    assert "Lonely" in client.get(path(part, "draft_frame")).content.decode()
    broken = {"language": "en", "revision": 0, "based_on": 1, "html": "{% if %}", "text": ""}
    assert 'data-part="html" data-line="1"' in client.post(path(part, "draft"), broken).content.decode()


def test_a_template_of_which_nothing_is_published_can_be_written(client, ann):
    template = make_template(content=None)
    assert client.get(path(template)).status_code == 200
    data = {"language": "en", "revision": 0, "based_on": 0, "subject": "Hi", "html": "<p>Hi</p>", "text": ""}
    data |= variable_rows(())
    assert client.post(path(template, "draft"), data).status_code == 200
    assert client.post(path(template, "edit_publication"), data | {"revision": 1}).status_code == 302
    template.refresh_from_db()
    assert template.published.read() == Content(languages={"en": Texts("Hi", "<p>Hi</p>")})


# ---------------------------------------------------------------- who


def test_only_editors_get_in(template, colleague_client):
    for name in ["edit", "draft", "draft_frame", "edit_publication", "edit_sample"]:
        with case(name):
            for method in ("get", "post"):
                assert getattr(colleague_client, method)(path(template, name)).status_code == 403
                assert getattr(Client(), method)(path(template, name)).status_code == 302


def test_a_save_without_the_forms_token_is_refused(ann, template):
    client = Client(enforce_csrf_checks=True)
    client.cookies["sessionid"] = signed_in(ann).cookies["sessionid"].value
    for name in ("edit", "draft", "edit_publication", "edit_sample"):
        assert client.post(path(template, name), typed(template, ann, html="<p>x</p>")).status_code == 403
    assert not Draft.objects.exists()


def test_what_is_not_there_is_not_found(client, template):
    for address in ("/templates/shop/template/nothing/edit/", "/templates/shop/part/hello/draft/frame/"):
        assert client.get(address).status_code == 404
