"""The template pages in a browser, in four views, with little content and with very long words."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from templates_app.content.content import Texts, Variable
from templates_app.library import publishing, samples
from templates_app.models import Sample
from tests.browser.test_pages import WORD
from tests.factories import make_user
from tests.templates_app.makers import make_builtin, make_part, make_project, make_template, saying

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

BASE = "/templates/shop/template/hello/"
LINES = [f"<p>Line {number} of the mail</p>\n" for number in range(30)]


def text_of(**changed):
    return "".join(changed.get(f"line{number}", line) for number, line in enumerate(LINES))


@pytest.fixture
def edited(admin):
    """A built-in template that was edited, with a newer built-in version and a draft based on an old text."""
    template = make_template(content=None, description="Greets people", tags=["greeting"])
    first = make_builtin(template, saying(text_of()))
    publishing.publish(template, admin, saying(text_of(line3="<p>Line three</p>\n")), "Friendlier", first)
    publishing.save_draft(template, admin, saying(text_of(line3="<p>Line 3!</p>\n", line9="")), 0)
    bob = make_user("bob@example.com", name="Bob")
    publishing.publish(template, bob, saying(text_of(line3="<p>Line drei</p>\n")), "", template.published)
    make_builtin(template, saying(text_of(line3="<p>Line III</p>\n", line20="<p>New</p>\n")))
    return template


def test_pages_with_one_template(visitor, admin, edited):
    samples.create_sample(edited, name="Usual", values={"name": "Ann"})
    samples.create_sample(edited, name="Other", values={"name": "Bea"})
    sample = Sample.objects.get(document=edited, name="Other").pk
    visitor.sign_in(admin)
    visitor.look_at(
        "/templates/?q=shop", "/templates/?q=zeppelin", "/templates/shop/", "/templates/shop/settings/",
        "/templates/shop/deletion/", "/templates/new/", "/templates/new/?what=project", "/templates/shared/",
        BASE, f"{BASE}?tab=text", f"{BASE}?tab=source", f"{BASE}settings/", f"{BASE}deletion/", f"{BASE}versions/",
        f"{BASE}versions/1/", f"{BASE}versions/1/restoration/", f"{BASE}diff/", f"{BASE}diff/?from=1&to=1",
        f"{BASE}reset/", f"{BASE}upgrade/", f"{BASE}publication/", f"{BASE}samples/", f"{BASE}samples/new/",
        f"{BASE}samples/{sample}/", f"{BASE}samples/{sample}/deletion/",
    )  # fmt: skip


def test_pages_with_nothing_in_them(visitor, admin):
    make_template(content=None)
    make_project("empty")
    make_part()
    visitor.sign_in(admin)
    visitor.look_at(
        "/templates/", "/templates/empty/", BASE, f"{BASE}versions/", f"{BASE}samples/", f"{BASE}upgrade/",
        f"{BASE}publication/", "/templates/shop/part/footer/", "/templates/mail/part/layout/",
    )  # fmt: skip


def test_pages_with_very_long_words(visitor, admin):
    admin.name = WORD[:100]
    admin.save()
    project = make_project("p" * 50, name=WORD[:100], description=WORD * 5, tags=["t" * 30, "u" * 30])
    variables = [Variable("v" * 50, description=WORD * 3, sample=WORD)]
    long = saying(f"<p>{WORD * 20}</p>", subject=WORD * 3, variables=variables)
    template = make_template(
        project, "k" * 50, content=long, name=WORD[:100], description=WORD * 5, tags=["t" * 30], user=admin
    )
    samples.create_sample(template, name=WORD[:100], values={"v" * 50: WORD * 4})
    broken = replace(long, languages={"en": Texts(subject="x", html="{{ " + "n" * 300 + " }}" + WORD * 20)})
    publishing.publish(
        template, admin, saying(f"<p>{WORD * 19}</p>", variables=variables), WORD * 5, template.published
    )
    publishing.save_draft(template, admin, broken, 0)
    base = template.get_absolute_url()
    sample = Sample.objects.get(document=template).pk
    visitor.sign_in(admin)
    visitor.look_at(
        f"/templates/?q={'p' * 50}", project.get_absolute_url(), base, f"{base}?tab=source",
        f"{base}settings/",
        f"{base}versions/", f"{base}versions/1/", f"{base}diff/", f"{base}publication/", f"{base}samples/",
        f"{base}samples/{sample}/",
    )  # fmt: skip


def test_a_search_replaces_the_list_while_typing(visitor, admin):
    make_template()
    visitor.sign_in(admin)
    visitor.go("/templates/")
    page = visitor.page
    expect(page.get_by_role("link", name="Password reset", exact=True)).to_be_visible()
    page.get_by_role("searchbox").press_sequentially("shop/he")
    expect(page.get_by_role("link", name="Password reset", exact=True)).to_have_count(0)
    expect(page.get_by_role("link", name="Hello")).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=shop%2Fhe"))
    visitor.look()


def test_the_preview_is_shown_in_a_frame_that_runs_nothing(visitor, admin):
    script = '<p id="said">before</p><script>document.getElementById("said").textContent = "after"</script>'
    make_template(content=saying(script))
    visitor.sign_in(admin)
    visitor.go(BASE)
    expect(visitor.page.frame_locator("iframe").locator("#said")).to_have_text("before")
