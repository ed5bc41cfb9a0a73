"""The built-in mails in a real browser: wide and narrow, light and dark."""

import pytest

from templates_app.builtin_files import builtin_projects
from templates_app.engine.engine import Bundle, render_bundle
from tests.browser.conftest import Visitor
from tests.cases import case

pytestmark = pytest.mark.browser

SHARED = {
    "brand_name": "Example",
    "brand_address": "Example Ltd, 1 High Street, London",
    "brand_color": "#4044c8",
    "base_url": "https://mail.example.com",
}
# One mail for each building block, and the longest words of each language.
LOOKED_AT = {
    "account/invitation": "de",
    "account/sign_in_code": "de",
    "mail/daily_digest": "en",
    "platform/backup_status": "de",
    "platform/quota_warning": "en",
}


class Reader(Visitor):
    """Somebody who reads mails. The landmarks are those of the mail program around them."""

    RULES = {name: {"enabled": False} for name in ("landmark-one-main", "region")}


def mails():
    """Yield key, language and HTML of every built-in template's first sample."""
    parts = {
        f"{project.key}/{one.key}": one.content
        for project in builtin_projects()
        for one in project.documents
        if one.kind == "part"
    }
    for project in builtin_projects():
        for one in project.documents:
            if one.kind == "template":
                bundle = Bundle(key=f"{project.key}/{one.key}", content=one.content, parts=parts, shared=SHARED)
                for language in one.content.languages:
                    values = next(iter(one.samples.values()))
                    yield bundle.key, language, render_bundle(bundle, values, language).html


def test_mails_can_be_read_in_every_view(new_context):
    reader = Reader(new_context(reduced_motion="reduce").new_page(), "")
    for key, language, html in mails():
        if LOOKED_AT.get(key) == language:
            reader.page.set_content(html)
            reader.look()


def test_mails_fit_a_narrow_phone_are_600_px_wide_on_a_wide_screen_and_change_with_the_scheme(new_context):
    page = new_context().new_page()
    for key, language, html in mails():
        with case(key, language):
            page.set_viewport_size({"width": 320, "height": 700})
            page.set_content(html)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
            colours = []
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                colours.append(page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor"))
            assert colours == ["rgb(255, 255, 255)", "rgb(22, 26, 33)"]
            page.set_viewport_size({"width": 1280, "height": 860})
            assert page.evaluate("document.querySelector('.column').offsetWidth") == 600
