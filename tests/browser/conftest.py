"""What the browser tests share: a page that reports what the browser complains about, and axe."""

import pytest
from axe_playwright_python.sync_playwright import Axe

VIEWS = [
    pytest.param((1280, 860, "light"), id="1280-light"),
    pytest.param((1280, 860, "dark"), id="1280-dark"),
    pytest.param((390, 844, "light"), id="390-light"),
    pytest.param((390, 844, "dark"), id="390-dark"),
]


class Visitor:
    """Somebody at a browser. Every page that is looked at must be free of axe's findings and of console errors."""

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

    def go(self, path):
        self.page.goto(self.origin + path)

    def look(self):
        """Check the page that is open, once its styles are there."""
        self.page.wait_for_load_state()
        assert self.complaints == []
        found = Axe().run(self.page, options={"preload": False})
        assert found.violations_count == 0, found.generate_report()
        width = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{self.page.url} scrolls sideways by {width} px"


class VisitorOfEveryView(Visitor):
    """Somebody who looks at each page in the four views without loading it again, which is what costs the time."""

    # Only contrast differs between the two schemes at one width; the other rules are asked once at each width.
    VIEWS = (
        (1280, 860, "light", {}),
        (1280, 860, "dark", {"runOnly": ["color-contrast"]}),
        (390, 844, "light", {"runOnly": ["color-contrast"]}),
        (390, 844, "dark", {}),
    )

    def look(self):
        """Check the page that is open, in every view."""
        assert self.complaints == []
        axe = Axe()
        self.page.evaluate(axe.axe_script)
        for width, height, scheme, options in self.VIEWS:
            where = f"{self.page.url} at {width} px, {scheme}"
            self.page.set_viewport_size({"width": width, "height": height})
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = self.page.evaluate(
                """async options => {
                    await new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn, 20)));
                    const found = await axe.run(options);
                    return found.violations.map(one => `${one.help}: ${one.nodes.map(node => node.html)}`);
                }""",
                {"preload": False, "resultTypes": ["violations"], **options},
            )
            assert found == [], where
            excess = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert excess <= 0, f"{where} scrolls sideways by {excess} px"


@pytest.fixture(params=VIEWS)
def view(request):
    return request.param


@pytest.fixture
def visitor(new_context, live_server, view):
    """Transitions are as good as off: no colour may be measured half way between two."""
    width, height, scheme = view
    context = new_context(viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce")
    return Visitor(context.new_page(), live_server.url)


@pytest.fixture
def visitor_of_every_view(new_context, live_server):
    """Without transitions between two schemes, either."""
    context = new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    return VisitorOfEveryView(context.new_page(), live_server.url)


@pytest.fixture
def visitor_without_javascript(new_context, live_server):
    context = new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False, reduced_motion="reduce")
    return Visitor(context.new_page(), live_server.url)
