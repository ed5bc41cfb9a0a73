"""What the browser tests share: a visitor whose page reports what the browser complains about, and axe."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as django_settings
from playwright.sync_api import expect

from tests.conftest import signed_in

DESK = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}


class Visitor:
    """Somebody at a browser: at a desk first, on a phone once a page was looked at.

    Every page that is looked at must be free of axe's findings, of console errors and of sideways overflow, in four
    views: wide and narrow, light and dark. It is not loaded again for each, which is what costs the time.
    """

    # Only contrast differs between the two schemes at one width; the other rules are asked once at each width.
    VIEWS = ((DESK, "light", True), (DESK, "dark", False), (PHONE, "light", False), (PHONE, "dark", True))
    RULES: dict[str, object] = {}

    def __init__(self, page, origin):
        self.page = page
        page.set_default_timeout(120_000)
        self.origin = origin
        self.complaints = []
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def hear(self, message):
        injected = not message.location["url"]  # axe tries inline styles, which the policy of our pages refuses
        refused_form = "status of 422" in message.text  # the browser logs every answer of this kind
        if message.type in {"error", "warning"} and not injected and not refused_form:
            self.complaints.append(message.text)

    def sign_in(self, user):
        """Hand the browser a session instead of typing the password."""
        name = django_settings.SESSION_COOKIE_NAME
        cookie = signed_in(user).cookies[name].value
        self.page.context.add_cookies([{"name": name, "value": cookie, "url": self.origin}])

    def go(self, path):
        self.page.goto(self.origin + path)

    def look_at(self, *paths):
        """Open each page and check it in every view, also those that are refused on purpose."""
        for path in paths:
            self.go(path)
            self.complaints = [one for one in self.complaints if "404 (Not Found)" not in one]
            self.look()
            expect(self.page.get_by_role("heading", level=1)).to_have_count(1)

    def sit_down(self):
        """Go on at a desk."""
        self.page.set_viewport_size(DESK)

    def look(self):
        """Check the page that is open, in every view."""
        self.page.wait_for_load_state()
        assert self.complaints == []
        self.page.evaluate(Axe().axe_script)
        for size, scheme, is_whole in self.VIEWS:
            where = f"{self.page.url} at {size['width']} px, {scheme}"
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            options = {"rules": self.RULES} if is_whole else {"runOnly": ["color-contrast"]}
            found = self.page.evaluate(
                """async options => {
                    await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn, 20)));
                    const found = await axe.run(options);
                    return found.violations.map(one => `${one.help}: ${one.nodes.map(node => node.html)}`);
                }""",
                # Our frames run no script, so that axe would wait half a second for an answer from each, in vain.
                {"preload": False, "iframes": False, "resultTypes": ["violations"], **options},
            )
            assert found == [], where
            excess = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert excess <= 0, f"{where} scrolls sideways by {excess} px"


@pytest.fixture
def visitor(new_context, live_server):
    """Transitions are as good as off: no colour may be measured half way between two."""
    context = new_context(viewport=DESK, reduced_motion="reduce")
    return Visitor(context.new_page(), live_server.url)


@pytest.fixture
def visitor_without_javascript(new_context, live_server):
    context = new_context(viewport=PHONE, java_script_enabled=False, reduced_motion="reduce")
    return Visitor(context.new_page(), live_server.url)
