"""The template editor in a browser: typing, preview, fixing, publishing, two windows, no JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from templates_app.content.content import Variable
from templates_app.library import publishing, samples
from templates_app.models import Document, Draft
from tests.templates_app.makers import HELLO, make_part, make_template, saying

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

EDIT = "/templates/shop/template/hello/edit/"
SAVED = re.compile("^Draft saved$")


@pytest.fixture
def template():
    return make_template()


@pytest.fixture
def page(visitor, admin, template):
    visitor.sign_in(admin)
    visitor.go(EDIT)
    return visitor.page


def write(page, words, *, line=1, part="html"):
    """Type `words` at the end of a source line."""
    page.bring_to_front()  # a background window draws once per second
    page.locator(f"#part-{part} .ace_content").click()
    page.keyboard.press("Control+Home")
    for _ in range(line - 1):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.insert_text(words)


def shown(page):
    """The message in the frame that has loaded."""
    return page.frame_locator("#stage iframe:not(.coming)")


def source(page, part="html"):
    return page.locator(f"#id_{part}").input_value()


def caret_line(page):
    edit = "ace.edit(document.querySelector('#part-html .ace_editor'))"
    return page.evaluate(f"{edit}.isFocused() && {edit}.getCursorPosition().row + 1")


def test_what_is_typed_is_seen_and_kept(visitor, page, template, admin):
    expect(shown(page).get_by_text("Hello Ann!")).to_be_visible()
    visitor.look()
    visitor.sit_down()
    write(page, "<p>Brand new words for {{ name }}</p>")
    expect(shown(page).get_by_text("Brand new words for Ann")).to_be_visible()
    expect(page.locator("#save-state")).to_have_text(SAVED)
    page.get_by_role("textbox", name="Subject").fill("Good morning, {{ name }}")
    expect(page.locator("#seen-subject")).to_have_text("Good morning, Ann")
    page.locator("#preview").get_by_role("link", name="Plain text").click()
    expect(page.locator("#seen-text-body")).to_contain_text("Brand new words for Ann")
    page.locator("#preview").get_by_role("link", name="Source").click()
    expect(page.locator("#seen-source-body")).to_contain_text("<p>Brand new words for Ann</p>")
    expect(page.locator("#stage iframe")).to_have_count(1)
    texts = Draft.objects.get(user=admin).read().languages["en"]
    assert texts.subject == "Good morning, {{ name }}"
    assert "Brand new words" in texts.html
    visitor.look()


def test_the_old_mail_stays_in_sight_until_the_new_one_has_come(visitor, page):
    expect(shown(page).get_by_text("Hello Ann!")).to_be_visible()
    gone = "new MutationObserver(() => { window.bare ||= !document.querySelector('#stage iframe:not(.coming)') })"
    page.evaluate(
        f"{gone}.observe(document.getElementById('stage'), {{childList: true, subtree: true, attributes: true}})"
    )
    for word in ("one", "two", "three"):
        write(page, f" {word}")
        expect(shown(page).get_by_text(word)).to_be_visible()
    assert not page.evaluate("window.bare")


def test_an_error_appears_at_its_line_and_the_last_good_mail_stays(visitor, page):
    expect(shown(page).get_by_text("Hello Ann!")).to_be_visible()
    write(page, "\n{{ nobody }}", line=2)
    link = page.locator("#problems").get_by_role("link", name="HTML, line 3")
    expect(link).to_be_visible()
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_text("3")
    expect(page.locator("#stage")).to_have_class(re.compile("stale"))
    expect(shown(page).get_by_text("Hello Ann!")).to_be_visible()
    expect(page.locator("#save-state")).to_have_text(SAVED)
    visitor.look()
    visitor.sit_down()
    page.locator("#source").get_by_role("link", name="Plain text").click()
    link.click()
    assert caret_line(page) == 3
    page.keyboard.press("Control+d")  # deletes the line
    expect(page.locator("#problems .notice")).to_have_count(0)
    expect(page.locator("#stage")).not_to_have_class(re.compile("stale"))
    expect(page.locator(".ace_gutter-cell.ace_error")).to_have_count(0)


def test_a_click_on_a_variable_inserts_it_at_the_caret(visitor, page):
    write(page, "", line=2)
    page.get_by_role("button", name="name", exact=True).click()
    expect(shown(page).get_by_text("Nice day.")).to_be_visible()
    expect(page.locator("#id_html")).to_have_value(re.compile(r"Nice day.</p>\{\{ name \}\}"))
    page.get_by_role("textbox", name="Subject").fill("Hi ")
    page.get_by_role("button", name="name", exact=True).click()
    expect(page.get_by_role("textbox", name="Subject")).to_have_value("Hi {{ name }}")
    expect(page.locator("#seen-subject")).to_have_text("Hi Ann")


def test_variables_and_samples_are_edited_and_seen_at_once(visitor, page, template, admin):
    page.get_by_role("link", name="Variables").click()
    last = page.locator("[data-row]").last
    last.get_by_label("Name").fill("amount")
    last.get_by_label("Type").select_option("number")
    last.get_by_label("Sample").fill("4.5")
    page.get_by_role("button", name="Add a variable").click()
    expect(page.locator("[data-row]")).to_have_count(3)
    visitor.look()
    visitor.sit_down()
    page.get_by_role("link", name="HTML").click()
    expect(page.get_by_role("button", name="amount", exact=True)).to_be_visible()
    write(page, "<p>{{ amount|money('EUR') }}</p>")
    expect(shown(page).get_by_text("€4.50")).to_be_visible()
    page.get_by_role("link", name="Samples").click()
    page.get_by_label("amount").fill("many")
    expect(page.locator("#problems")).to_contain_text("must be a number")
    page.get_by_label("amount").fill("1200")
    expect(shown(page).get_by_text("€1,200.00")).to_be_visible()
    page.get_by_role("link", name="JSON").click()
    expect(page.locator("#id_values_json")).to_have_value(re.compile('"amount": 1200'))
    page.locator("#id_values_json").fill('{"name": "Carl", "amount": 7}')
    expect(shown(page).get_by_text("Hello Carl")).to_be_visible()
    visitor.look()
    visitor.sit_down()
    page.get_by_role("link", name="Form").click()
    expect(page.get_by_label("amount")).to_have_value("7")
    page.get_by_label("New sample").fill("Carl's")
    page.get_by_role("button", name="Save as a new sample").click()
    expect(page.get_by_text("“Carl's” was saved.")).to_be_visible()
    assert template.samples.get().values == {"name": "Carl", "amount": 7}
    expect(page.get_by_role("combobox", name="Sample", exact=True)).to_have_value("Carl's")


def test_another_sample_is_chosen_without_losing_the_place(visitor, page, template):
    samples.create_sample(template, name="Berta", values={"name": "Berta"})
    samples.create_sample(template, name="Carl", values={"name": "Carl"})
    visitor.go(EDIT)
    expect(shown(page).get_by_text("Hello Berta")).to_be_visible()
    page.get_by_role("combobox", name="Sample", exact=True).select_option("Carl")
    expect(shown(page).get_by_text("Hello Carl")).to_be_visible()
    expect(page.locator("#id_values_json")).to_have_value(re.compile("Carl"))


def test_the_mail_is_seen_on_a_phone_and_in_the_dark(visitor, admin):
    dark = "<style>p { color: black } @media (prefers-color-scheme: dark) { p { color: white !important } }</style>"
    make_template(content=saying(f"{dark}<p>Hello</p>"))
    visitor.sign_in(admin)
    visitor.go(EDIT)
    page = visitor.page
    hello = shown(page).get_by_text("Hello")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        expect(hello).to_have_css("color", "rgb(0, 0, 0)")
    page.get_by_label("Dark").check()
    expect(hello).to_have_css("color", "rgb(255, 255, 255)")
    page.get_by_label("Phone").check()
    assert page.locator("#stage iframe").bounding_box()["width"] == 390
    visitor.look()


def test_it_is_published_by_the_keyboard_with_its_note(visitor, page, template):
    page.get_by_label("What changed").fill("Warmer words")
    write(page, "<p>Warm words</p>")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Version 2 was published.")).to_be_visible()
    template.refresh_from_db()
    assert "Warm words" in template.published.read().languages["en"].html
    assert template.published.note == "Warmer words"


def test_publishing_is_refused_with_what_fails(visitor, page, template):
    write(page, "{{ nobody }}")
    page.get_by_role("button", name="Publish").click()
    alert = page.get_by_role("alert").filter(has_text="a sample does not render")
    expect(alert).to_be_visible()
    visitor.look()
    visitor.sit_down()
    alert.get_by_role("link", name="HTML, line 1").click()
    assert caret_line(page) == 1


def test_the_second_window_is_told_and_both_texts_are_kept(visitor, page, admin):
    other = visitor.page.context.new_page()
    other.goto(visitor.origin + EDIT)
    write(other, "<p>From the other</p>")
    expect(other.locator("#save-state")).to_have_text(SAVED)
    write(page, "<p>From this one</p>")
    alert = page.get_by_role("alert").filter(has_text="changed in another window")
    expect(alert).to_contain_text("the other")
    expect(alert).to_contain_text("this one")
    visitor.look()
    visitor.sit_down()
    assert "From this one" in source(page)
    assert "From the other" in publishing.draft_of(Document.objects.get(key="hello"), admin).read().languages["en"].html
    page.get_by_role("button", name="Save my text").click()
    expect(page.locator("#save-state")).to_have_text(SAVED)
    expect(alert).to_have_count(0)
    write(other, "<p>Again</p>")
    other.get_by_role("link", name="Use the other text").click()
    expect(other.locator("#id_html")).to_have_value(re.compile("From this one"))


def test_nothing_typed_is_lost_while_the_server_is_away(visitor, page):
    page.route("**/draft/", lambda route: route.abort())
    write(page, "<p>Precious</p>")
    expect(page.locator("#save-state")).to_contain_text("Not saved: the server does not respond")
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.evaluate("location.href = '/templates/'")
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    assert "Precious" in source(page)
    page.unroute("**/draft/")
    page.keyboard.press("Control+s")
    expect(page.locator("#save-state")).to_have_text(SAVED)
    page.goto(visitor.origin + "/templates/")
    assert asked == ["beforeunload"]


def test_another_language_is_opened_with_what_was_typed_kept(visitor, page, admin):
    write(page, "<p>Just typed</p>")
    page.get_by_role("button", name="de", exact=True).click()
    expect(shown(page).get_by_text("Hallo Ann")).to_be_visible()
    assert "Just typed" in Draft.objects.get(user=admin).read().languages["en"].html
    page.locator("summary").filter(has_text="Language").click()
    visitor.look()
    visitor.sit_down()
    page.get_by_label("Language code").fill("fr")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("button", name="fr", exact=True)).to_have_attribute("aria-current", "true")
    page.locator("summary").filter(has_text="Language").click()
    page.get_by_role("button", name="Copy the texts of en to fr").click()
    expect(page.locator("#id_html")).to_have_value(re.compile("Just typed"))


def test_a_test_is_sent_of_what_was_just_typed(visitor, page, mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com", send_mode="instant")
    page.get_by_role("textbox", name="Subject").fill("Fresh subject")
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_role("link", name="See it in the mail log")).to_be_visible()
    page.get_by_role("link", name="See it in the mail log").click()
    expect(page.get_by_role("heading", name="Fresh subject").first).to_be_visible()


def test_the_keyboard_passes_by_the_source_and_goes_into_it(visitor, page):
    page.get_by_role("textbox", name="Subject").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('ace_scroller')"):
            break
    page.keyboard.press("Enter")
    page.keyboard.insert_text("typed by keyboard ")
    expect(page.locator("#id_html")).to_have_value(re.compile("typed by keyboard"))
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.closest('.ace_editor')")


def test_a_part_is_edited_within_the_template_that_uses_it(visitor, admin):
    make_part(html="<p>Bye</p>")
    make_template(content=saying('<p>Hi</p>{% include "shop/footer" %}'))
    visitor.sign_in(admin)
    visitor.go("/templates/shop/part/footer/edit/")
    page = visitor.page
    expect(shown(page).get_by_text("Hi")).to_be_visible()
    write(page, "<p>See you</p>")
    expect(shown(page).get_by_text("See you")).to_be_visible()
    visitor.look()


def test_everything_can_be_done_without_javascript(visitor_without_javascript, admin, template):
    visitor = visitor_without_javascript
    page = visitor.page
    visitor.sign_in(admin)
    visitor.go(EDIT)
    page.get_by_role("textbox", name="HTML").fill("<p>Plain words for {{ name }}</p>\n{{ nobody }}")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("link", name="HTML, line 2")).to_be_visible()
    page.get_by_role("textbox", name="HTML").fill("<p>Plain words for {{ name }}</p>")
    row = page.locator("[data-row]").last
    row.get_by_label("Name").fill("amount")
    page.get_by_label("Dark").check()
    page.get_by_role("button", name="Save draft").click()
    expect(page.get_by_text("Draft saved.")).to_be_visible()
    expect(page.frame_locator("#stage iframe").get_by_text("Plain words for Ann")).to_be_visible()
    expect(page.get_by_label("Dark")).to_be_checked()
    expect(page.locator("[data-row]")).to_have_count(3)
    page.get_by_role("textbox", name="JSON").fill('{"name": "Berta", "amount": "5"}')
    page.get_by_role("button", name="Save draft").click()
    expect(page.frame_locator("#stage iframe").get_by_text("Plain words for Berta")).to_be_visible()
    page.locator("[data-row]").nth(1).get_by_label("Remove").check()
    page.get_by_label("What changed").fill("Without scripts")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("Version 2 was published.")).to_be_visible()
    template.refresh_from_db()
    assert (
        template.published.read().variables
        == HELLO.variables
        == (Variable("name", description="Who it is for", sample="Ann"),)
    )
