"""The site as `make run` starts it, without a proxy in front, while others do their worst."""

import concurrent.futures
import http.client
import re
import time
import urllib.parse

import pytest

from tests.config.running import Running
from tests.config.webserver.visitors import crowd, get

HOST = b"Host: 127.0.0.1\r\n"
COOKIE = b"Cookie: csrftoken=" + b"a" * 32 + b"\r\n"
BODY_FOLLOWS = (
    b"POST /account/login/ HTTP/1.1\r\n" + HOST + COOKIE
    + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 500\r\n\r\nlogin="
)  # fmt: skip
SCRIPT = b"GET /static/django_ace/ace/ace.js HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    admin = {"MAILADMIN_ADMIN_EMAIL": "root@example.com", "MAILADMIN_ADMIN_PASSWORD": "correct-horse-battery"}
    mailadmin = Running(tmp_path_factory.mktemp("site"), **admin)
    try:
        mailadmin.wait_for("Mailadmin is running")
        yield mailadmin.port
    finally:
        mailadmin.kill()


def assert_usable(port: int) -> None:
    for _ in range(5):
        begin = time.monotonic()
        assert get(port, "/healthz")[0] == 200
        assert time.monotonic() - begin < 1, "the monitor would raise an alarm"
        begin = time.monotonic()
        assert get(port, "/account/login/")[0] == 200
        assert time.monotonic() - begin < 3


@pytest.mark.parametrize(
    ("number", "said", "buffer"),
    [
        pytest.param(300, b"GET / HTTP/1.1\r\n" + HOST + b"X-Slow: ", 0, id="headers that do not end"),
        pytest.param(100, BODY_FOLLOWS, 0, id="bodies that do not come"),
        pytest.param(100, SCRIPT, 2048, id="readers who do not read"),
        pytest.param(1000, b"", 0, id="connections on which nothing is said"),
    ],
)
def test_the_site_is_usable_beside_slow_visitors(port, number, said, buffer):
    with crowd(port, number, said, buffer=buffer) as visitors:
        assert_usable(port)
        for visitor in visitors[-50:]:
            if said and not buffer:
                visitor.say(b"a")  # on and on
        assert_usable(port)


def test_the_site_is_usable_during_a_flood_of_sign_ins(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/account/login/")
    page = connection.getresponse()
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    token = re.findall(r'csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())[0]
    connection.close()

    def sign_in(number: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        form = {"csrfmiddlewaretoken": token, "login": f"{number}@example.com", "password": "wrong-password"}
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/account/login/", urllib.parse.urlencode(form), headers)
        response = connection.getresponse()
        response.read()
        return response.status

    with concurrent.futures.ThreadPoolExecutor(30) as people:
        answers = [people.submit(sign_in, number) for number in range(30)]
        assert_usable(port)
        assert {answer.result() for answer in answers} <= {200, 429}
