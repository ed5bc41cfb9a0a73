"""Hostile templates are refused in plain words; the process that renders them has no secrets and no open files."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from templates_app.sandbox import client
from templates_app.sandbox.client import render_all, render_one
from tests.processes import alive
from tests.templates_app import hostile
from tests.templates_app.transfer.bundles import bundle_of, content_of

HELLO = bundle_of("<p>Hello {{ name }}</p>", variables="name")
ENDLESS = bundle_of(hostile.nested(3, 9_999))


def hostile_bundle(source):
    return bundle_of(source, variables="name", declared=[{"name": "things", "type": "list"}], parts=hostile.PARTS)


def server_process():
    """Return the process id of the sandbox server, started if need be."""
    assert render_one(HELLO, {"name": "Ann"}).rendered
    return client._server.process.pid


def children_of(process):
    return Path(f"/proc/{process}/task/{process}/children").read_text()


def test_a_template_is_rendered_in_the_sandbox():
    outcome = render_one(bundle_of("<p>{{ 1234.5|number }}</p>", de={"html": "<p>{{ 1234.5|number }}</p>"}), {}, "de")
    assert "<p>1.234,5</p>" in outcome.rendered.html
    assert (outcome.rendered.language, outcome.problems) == ("de", ())


def test_filters_work_in_languages_that_are_not_preloaded():
    source = "{{ '2026-03-01T12:00:00+01:00'|datetime('full') }} {{ 1|money('JPY') }}"
    outcome = render_one(bundle_of(text=source, ja={"text": source, "subject": "x"}), {}, "ja")
    assert outcome.rendered.text.startswith("2026年3月1日日曜日")


USED = """
{{ name|abs if false }}{{ things|batch(2)|list }}{{ name|capitalize|center(9) }}{{ things|count }}
{{ {"b": 1}|dictsort }}{{ name|e }}{{ 2000|filesizeformat }}{{ things|first }}{{ "1"|float }}{{ "%s"|format(name) }}
{{ things|groupby("0")|list|length }}{{ name|indent }}{{ "1"|int }}{{ {"a": 1}|items|list }}{{ things|join }}
{{ things|last }}{{ things|length }}{{ name|list }}{{ name|lower }}{{ things|map("upper")|list }}{{ things|max }}
{{ things|min }}{{ things|reject("odd")|list if false }}{{ name|replace("A", "B") }}{{ things|reverse|list }}
{{ 1.5|round }}{{ name|safe }}{{ things|select|list }}{{ things|slice(2)|list }}{{ things|sort }}{{ 1|string }}
{{ "<b>&amp;</b>"|striptags }}
{{ [1, 2]|sum }}{{ name|title }}{{ things|tojson }}{{ " x "|trim }}{{ name|truncate(9) }}{{ things|unique|list }}
{{ name|upper }}{{ "é"|urlencode }}{{ "www.example.com"|urlize }}{{ name|wordcount }}{{ (name * 20)|wordwrap(9) }}
{{ {"title": 1}|xmlattr }}{{ "2026-03-01"|date }}{{ "12:30"|time }}{{ 1|number }}{{ 0.5|percent }}{{ 1|money("EUR") }}
"""


def test_every_allowed_filter_works_within_the_limits_of_the_sandbox():
    bundle = bundle_of(f"<p>{USED}</p>", variables="name", declared=[{"name": "things", "type": "list"}])
    assert render_one(bundle, hostile.VALUES).problems == ()


def test_there_are_a_hundred_hostile_templates():
    assert len(hostile.ALL) == len(set(hostile.ALL)) >= 100


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_every_hostile_template_is_refused_in_plain_words(kind):
    with ThreadPoolExecutor(2) as threads:
        outcomes = list(
            threads.map(lambda source: render_one(hostile_bundle(source), hostile.VALUES), hostile.KINDS[kind])
        )
    for source, outcome in zip(hostile.KINDS[kind], outcomes, strict=True):
        assert outcome.rendered is None, source[:200]
        assert outcome.problems, source[:200]
        for problem in outcome.problems:
            assert problem.message.endswith((".", ")")), (source[:200], problem)
            assert not any(word in problem.message for word in ("Traceback", "site-packages", "Errno")), problem
            assert problem.message not in {client.BUSY, client.UNREACHABLE}, source[:200]
    assert render_one(HELLO, {"name": "Ann"}).rendered


def test_hostile_templates_take_no_memory_of_the_web_process():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for source in hostile.MEMORY[:3]:
        render_one(hostile_bundle(source), hostile.VALUES)
    before = resident()
    for source in (*hostile.MEMORY[3::4], *hostile.FLOODS):
        render_one(hostile_bundle(source), hostile.VALUES)
    assert resident() - before < 20_000_000


def test_eight_renderings_at_once_all_return():
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: render_one(ENDLESS, {}), range(8)))
    messages = {problem.message for outcome in outcomes for problem in outcome.problems}
    assert messages <= {client.SLOW, client.BUSY}
    assert client.SLOW in messages


def test_all_samples_are_rendered_in_all_languages_in_order():
    bundle = bundle_of("<p>Hello {{ name }}</p>", variables="name", de={"html": "<p>Hallo {{ name }}</p>"})
    entries = [(f"{number}", {"name": f"Ann {number}"}, language) for number in range(25) for language in ("en", "de")]
    entries.append(("broken", {}, "en"))
    outcomes = render_all(bundle, entries)
    assert [(outcome.name, outcome.language) for outcome in outcomes] == [(name, code) for name, _, code in entries]
    assert "Hallo Ann 24<" in outcomes[49].rendered.html
    assert [problem.message for problem in outcomes[50].problems] == ["The value name is missing."]


def test_after_a_sample_that_never_ends_the_others_are_skipped():
    bundle = bundle_of("{% for i in range(count) %}{% for j in range(count) %}{% endfor %}{% endfor %}",
                       declared=[{"name": "count", "type": "number"}])  # fmt: skip
    entries = [("short", {"count": 1}, ""), ("long", {"count": 99_999}, ""), ("next", {"count": 1}, "")]
    outcomes = render_all(bundle, entries)
    assert outcomes[0].rendered
    assert [outcome.problems[0].message for outcome in outcomes[1:]] == [client.SLOW, client.SKIPPED]


def test_publishing_leaves_threads_free_for_pages(monkeypatch):
    most = client.MAX_PUBLISHERS // 2  # each takes a second of the processor
    monkeypatch.setattr(client, "_publishers", threading.BoundedSemaphore(most))
    forever = bundle_of("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}")
    count = 3 * most
    with ThreadPoolExecutor(count) as threads:
        told = [
            one[0].problems[0].message
            for one in threads.map(lambda _: render_all(forever, [("", {}, "en")]), range(count))
        ]
    assert told.count(client.BUSY) >= most  # not admitted
    assert client.SLOW in told
    assert render_all(bundle_of("<p>Hello</p>"), [("", {}, "en")])[0].rendered


# ---------------------------------------------------------------- the process


def test_the_sandbox_has_no_secrets_and_no_open_files(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "canary-in-the-environment")
    client._server.stop()
    with Path("/etc/passwd").open() as handle:
        os.set_inheritable(handle.fileno(), True)
        process = Path(f"/proc/{server_process()}")
        assert b"canary" not in (process / "environ").read_bytes()
        opened = set()
        for path in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # the job ended and its socket was closed meanwhile
                opened.add(str(path.readlink()))
    assert not any("passwd" in path for path in opened), opened
    assert opened
    assert "django" not in (process / "maps").read_text()
    assert all(path.startswith(("socket:", "/dev/null")) for path in opened), opened


def test_a_server_that_was_killed_is_started_again():
    before = server_process()
    os.kill(before, signal.SIGKILL)
    assert render_one(HELLO, {"name": "Ann"}).rendered
    assert server_process() != before


def test_killing_the_server_during_a_job_still_gives_an_answer():
    process = server_process()
    killer = threading.Timer(0.2, os.kill, (process, signal.SIGKILL))
    killer.start()
    outcome = render_one(ENDLESS, {})
    killer.join()
    assert outcome.problems
    assert render_one(HELLO, {"name": "Ann"}).rendered


def test_the_server_survives_clients_that_stop_waiting():
    before = server_process()
    impatient = client.TimeLimits(queue=1, lifetime=1, total=0)  # half a second, which the child outlives
    outcome = client.render_in_batches(ENDLESS, [("", {}, "")], impatient)[0]
    assert outcome.problems[0].message == client.SLOW
    limit = time.monotonic() + 30
    while children_of(before) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not children_of(before)
    assert server_process() == before


def test_a_forked_web_process_starts_a_server_of_its_own():
    before = server_process()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, f"{server_process()}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)
    assert theirs.isdigit()
    assert int(theirs) != before
    assert server_process() == before


def test_the_server_exits_with_the_web_process():
    script = (
        "from tests.templates_app.sandbox.test_sandbox import server_process;"
        "print(server_process(), flush=True); import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings_test"}
    setup = "import django; django.setup();"
    done = subprocess.run(
        [sys.executable, "-c", setup + script], env=environment, capture_output=True, text=True, check=False
    )
    process = int(done.stdout)
    limit = time.monotonic() + 30
    while alive(process) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not alive(process)


def test_a_bundle_of_many_large_parts_reaches_the_sandbox():
    parts = {f"mail/part{number}": content_of(html="x" * 190_000) for number in range(20)}
    bundle = bundle_of("{% include 'mail/part7' %}", parts=parts)
    assert len(render_one(bundle, {}).rendered.html) > 190_000
