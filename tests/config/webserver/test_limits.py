"""Each limit, with times that a test can wait for, around an application of a few lines."""

import contextlib
import threading
import time

import pytest

from config.webserver.connections import client_key
from tests.config.webserver.visitors import Visitor, crowd, get, serving

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"
SIZE = 8_000_000  # octets: more than any buffer between the two


class Application:
    """Tells what it was given, or does as the path says."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.go_on = threading.Event()
        self.closed = threading.Event()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.paths.append(path)
        if path == "/wait":
            assert self.go_on.wait(60)
        if path == "/fail":
            raise ValueError(path)
        start_response("200 OK", [("Content-Type", "text/plain")])
        if path == "/large":
            return self.large()
        if path == "/break":
            return self.broken()
        said = environ["wsgi.input"].read()
        told = [
            path,
            environ["QUERY_STRING"],
            environ.get("CONTENT_LENGTH", ""),
            environ.get("HTTP_X_ONE", ""),
            len(said),
        ]
        return [repr(told).encode()]

    def large(self):
        try:
            for _ in range(SIZE // 100_000):
                yield b"x" * 100_000
        finally:
            self.closed.set()

    def broken(self):
        yield b"x"
        raise ValueError


@pytest.fixture
def application():
    made = Application()
    yield made
    made.go_on.set()


def test_headers_have_a_time_limit_that_dripping_does_not_extend(application):
    with serving(application, header_seconds=0.6) as port:
        silent, dripping = Visitor(port), Visitor(port, REQUEST)
        begin = time.monotonic()
        while dripping.is_open and time.monotonic() - begin < 20:
            dripping.say(b"a: b\r\n")
            time.sleep(0.1)
        assert 0.5 < time.monotonic() - begin < 10
        assert silent.closed_after() < 10
        assert application.paths == []


def test_a_further_request_has_the_same_time_limit(application):
    with serving(application, header_seconds=0.6) as port:
        visitor = Visitor(port, REQUEST + b"\r\n")
        time.sleep(0.3)
        visitor.say(REQUEST)
        assert 0.3 < visitor.closed_after() < 10


def test_an_idle_connection_is_closed(application):
    with serving(application, idle_seconds=1) as port:
        assert 0.5 < Visitor(port, REQUEST + b"\r\n").closed_after() < 10


def test_a_body_has_a_time_limit_and_takes_no_thread(application):
    late = REQUEST.replace(b"GET", b"POST") + b"Content-Length: 500\r\n\r\nabcdef"
    with serving(application, body_seconds=1, threads=1) as port, crowd(port, 20, late) as visitors:
        assert get(port)[0] == 200
        assert {visitor.hear().partition(b"\r\n")[0] for visitor in visitors} == {b"HTTP/1.1 408 Request Timeout"}
        assert application.paths == ["/"]


def test_a_body_that_comes_at_a_fair_speed_has_all_the_time_it_takes(application):
    with serving(application, body_seconds=0.5, slowest=100) as port:
        visitor = Visitor(port, REQUEST.replace(b"GET", b"POST") + b"Connection: close\r\nContent-Length: 200\r\n\r\n")
        for _ in range(10):
            visitor.say(b"a" * 20)
            time.sleep(0.1)
        assert b"200]" in visitor.hear()


def test_a_body_that_is_too_large_is_refused_by_its_length_or_when_it_becomes_too_large(application):
    with serving(application, body_size=1000) as port:
        for head in (
            b"Content-Length: 1001\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n3ea\r\n" + b"a" * 1002 + b"\r\n",
        ):
            visitor = Visitor(port, REQUEST.replace(b"GET", b"POST") + head)
            assert visitor.hear().startswith(b"HTTP/1.1 413 ")
        assert application.paths == []


def test_a_body_in_chunks_has_a_length_for_the_application(application):
    with serving(application, body_in_memory=100) as port:
        sent = b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n12c\r\n" + b"a" * 300 + b"\r\n0\r\n\r\n"
        assert b"'300', '', 300]" in Visitor(port, REQUEST.replace(b"GET", b"POST") + sent).hear()


def test_of_a_client_with_too_many_connections_the_oldest_that_waits_is_closed(application):
    with serving(application, connections_per_client=10) as port:
        working = Visitor(port, b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        while application.paths != ["/wait"]:
            time.sleep(0.01)
        with crowd(port, 15) as visitors:
            assert visitors[0].hear() == b""
            assert get(port)[0] == 200
            assert [visitor.is_open for visitor in visitors] == [False] * 6 + [True] * 9
            application.go_on.set()
            assert b"200 OK" in working.hear(), "its client is not the one who was waited for"


def test_all_clients_together_have_a_limit(application):
    with serving(application, connections=10) as port, crowd(port, 15) as visitors:
        assert get(port)[0] == 200
        assert [visitor.is_open for visitor in visitors] == [False] * 6 + [True] * 9


def test_a_client_is_an_address_or_a_network_of_its_own():
    assert client_key("192.0.2.1") == client_key("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_key("2001:db8::1") == client_key("2001:db8::2:1") != client_key("2001:db8:0:1::1")


def test_an_answer_that_is_not_taken_in_frees_the_thread_and_is_given_up(application):
    with serving(application, piece_seconds=1, threads=1, answer_in_memory=100_000) as port:
        visitor = Visitor(port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", buffer=2048)
        assert application.closed.wait(20), "the thread waits for the client"
        assert get(port)[0] == 200
        time.sleep(1.5)
        assert len(visitor.hear()) < SIZE


def test_a_large_answer_arrives_whole(application):
    with serving(application, answer_in_memory=100_000) as port:
        status, body = get(port, "/large")
        assert (status, len(body)) == (200, SIZE)


def test_one_client_cannot_take_all_threads_nor_all_places_in_the_queue(application):
    waiting = b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    limits = {"threads": 2, "threads_per_client": 1, "queue_per_client": 3}
    with serving(application, **limits) as port, crowd(port, 4, waiting) as visitors:
        while application.paths != ["/wait"]:
            time.sleep(0.01)
        time.sleep(0.2)  # for the others to be in the queue
        assert Visitor(port, waiting).hear().startswith(b"HTTP/1.1 503 ")
        assert get(port, "/healthz")[0] == 200
        assert application.paths == ["/wait", "/healthz"]
        application.go_on.set()
        assert all(b"200 OK" in visitor.hear() for visitor in visitors)


def test_sign_ins_take_none_of_the_threads_of_the_pages(application):
    form = b"POST /account/login/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with serving(application, threads=1, password_threads=1) as port:
        waiting = Visitor(port, b"GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in Visitor(port, form).hear()
        application.go_on.set()
        assert b"200 OK" in waiting.hear()


def test_what_the_application_raises_is_a_500_or_the_end_of_the_connection(application, caplog):
    with serving(application) as port:
        assert get(port, "/fail")[0] == 500
        visitor = Visitor(port, b"GET /break HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"0\r\n\r\n" not in visitor.hear(), "a broken answer must not look whole"
        assert get(port)[0] == 200
    assert [record.getMessage() for record in caplog.records] == ["GET /fail failed", "GET /break failed"]


def test_what_is_not_http_is_refused(application):
    with serving(application) as port:
        for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET /\r\n\r\n", REQUEST + b"Content-Length: -1\r\n\r\n"):
            assert Visitor(port, nonsense + b"\r\n\r\n").hear().startswith(b"HTTP/1.1 400 ")
        endless = Visitor(port)
        with contextlib.suppress(ConnectionError):
            endless.say(REQUEST + b"a: " + b"b" * 4_000_000)
        assert endless.hear()[:13] in {b"HTTP/1.1 400 ", b""}
        assert application.paths == []


def test_requests_are_told_as_pep_3333_has_it(application):
    with serving(application) as port:
        assert get(port, "/a%20b/%C3%A9?q=%26")[1].decode() == repr(["/a b/\xc3\xa9", "q=%26", "", "", 0])
        absolute = b"GET http://x/y?z HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert b"['/y', 'z'" in Visitor(port, absolute).hear()
        both = REQUEST + b"X_One: forged\r\nX-One: a\r\nX-One: b\r\nConnection: close\r\n\r\n"
        assert b"'a,b'" in Visitor(port, both).hear()


def test_requests_on_one_connection_are_answered_in_their_order(application):
    with serving(application) as port:
        said = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(5))
        heard = Visitor(port, said + b"HEAD /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").hear().decode()
        places = [heard.index(f"['/{number}'") for number in range(5)]
        assert places == sorted(places)
        assert "last" not in heard, "an answer to HEAD has no body"


def test_a_stop_waits_for_answers_and_not_for_requests(application):
    with serving(application) as port:
        silent, late = Visitor(port), Visitor(port, REQUEST.replace(b"GET", b"POST") + b"Content-Length: 500\r\n\r\n")
        working = Visitor(port, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        while application.paths != ["/wait"]:
            time.sleep(0.01)
        threading.Timer(0.5, application.go_on.set).start()
        begin = time.monotonic()
    assert time.monotonic() - begin < 5
    assert b"200 OK" in working.hear()
    assert (silent.hear(), late.hear()) == (b"", b"")
