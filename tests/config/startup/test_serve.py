"""The real thing: ``python -m config.startup.serve`` with its web server and worker, on a port of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from tests.config.running import START_SECONDS, STOP_SECONDS, Running


@pytest.fixture
def serve(tmp_path):
    """Start Mailadmin; whatever is left of it is killed at the end."""
    started = []

    def start(*arguments: str, **environment: str) -> Running:
        started.append(Running(tmp_path, *arguments, **environment))
        return started[-1]

    yield start
    for running in started:
        running.kill()


@pytest.fixture
def running(serve):
    mailadmin = serve()
    mailadmin.wait_for(f"Mailadmin is running at http://127.0.0.1:{mailadmin.port}")
    return mailadmin


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_answers_when_it_says_so_and_one_signal_ends_everything(running, number):
    assert running.get("/healthz") == 200
    assert running.get("/") == 200, "the first visit leads to the set-up"
    running.wait_for(f"Create the first administrator at http://127.0.0.1:{running.port}/setup/")
    assert len(running.others()) == 4, running.others()
    running.process.send_signal(number)
    assert running.process.wait(STOP_SECONDS) == 0
    assert running.gone(), running.others()
    assert "Stopping." in running.output
    assert "Traceback" not in running.output


@pytest.mark.parametrize("victim", ["run_huey", "config.webserver"])
def test_a_child_that_dies_ends_everything_with_a_sentence(running, victim):
    pid = min(pid for pid, line in running.others().items() if victim in line)
    os.kill(pid, signal.SIGKILL)
    assert running.process.wait(STOP_SECONDS) == 1
    assert running.gone(), running.others()
    name = {"run_huey": "worker", "config.webserver": "web server"}[victim]
    assert f"The {name} stopped unexpectedly (status 9), so Mailadmin stops." in running.output


def test_no_process_outlives_a_supervisor_that_is_killed(running):
    assert len(running.others()) == 4
    running.process.kill()
    assert running.gone(), running.others()


def test_a_second_signal_does_not_wait_for_anything(running):
    worker = next(pid for pid, line in running.others().items() if "run_huey" in line)
    os.kill(worker, signal.SIGSTOP)  # a worker that does not react
    running.process.send_signal(signal.SIGINT)
    running.wait_for("Stopping.")
    time.sleep(0.5)
    assert running.process.poll() is None, "it did not wait for the worker"
    for _ in range(20):  # seconds, in which it would go on waiting; two signals that come at once are one
        running.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.process.wait(1)
            break
    assert running.process.poll() == 0
    assert running.gone(), running.others()


def test_a_signal_while_it_starts_ends_everything_at_once(serve):
    mailadmin = serve()
    deadline = time.monotonic() + START_SECONDS
    while not any("config.webserver" in line for line in mailadmin.others().values()):
        assert time.monotonic() < deadline, mailadmin.output
        time.sleep(0.01)
    mailadmin.process.terminate()
    assert mailadmin.process.wait(20) == 0
    assert mailadmin.gone(), mailadmin.others()


def test_a_worker_can_run_alone(serve):
    mailadmin = serve("--worker-only")
    mailadmin.wait_for("A worker is running. Ctrl-C stops it.\n")
    assert [line.split()[2] for line in mailadmin.others().values()] == ["run_huey"]
    mailadmin.process.send_signal(signal.SIGINT)
    assert mailadmin.process.wait(STOP_SECONDS) == 0
    assert mailadmin.gone(), mailadmin.others()


def test_a_mistyped_setting_is_warned_of_once_although_the_worker_makes_no_checks(serve):
    mailadmin = serve("--worker-only", MAIL_HOTS="127.0.0.1")
    mailadmin.wait_for("A worker is running. Ctrl-C stops it.\n")
    time.sleep(3)  # for the worker to start
    assert mailadmin.output.count("Did you mean MAIL_HOST?") == 1, mailadmin.output


def test_a_taken_port_is_said_with_a_way_out(serve):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        mailadmin = serve(PORT=str(port))
        assert mailadmin.process.wait(START_SECONDS) == 1
    said = f"Port {port} is in use by another program. Choose another port: PORT={port + 1} make run\n"
    assert mailadmin.output == said
    assert mailadmin.gone()


def test_a_wrong_setting_is_said_without_a_traceback(serve):
    mailadmin = serve(MAIL_PORT="seven")
    assert mailadmin.process.wait(START_SECONDS) == 2
    assert "  MAIL_PORT: must be a whole number from 1 to 65535, not 'seven'\n" in mailadmin.output
    assert "Traceback" not in mailadmin.output


def test_a_database_that_cannot_be_opened_is_said_without_a_traceback(serve, tmp_path):
    (tmp_path / "app.sqlite3").mkdir()
    mailadmin = serve()
    assert mailadmin.process.wait(START_SECONDS) == 1
    assert mailadmin.output.startswith("The database cannot be used: ")
    assert "Traceback" not in mailadmin.output


def test_the_administrator_of_the_environment_is_made_and_the_second_start_is_no_first_visit(serve):
    admin = {"MAILADMIN_ADMIN_EMAIL": "root@example.com", "MAILADMIN_ADMIN_PASSWORD": "correct-horse-battery"}
    for _ in range(2):
        mailadmin = serve(**admin)
        mailadmin.wait_for("Mailadmin is running")
        assert mailadmin.get("/setup/") in {302, 404, 410, 200}
        assert "/setup/" not in mailadmin.output
        mailadmin.process.terminate()
        assert mailadmin.process.wait(STOP_SECONDS) == 0


def test_where_others_can_reach_it_the_set_up_is_opened_by_the_printed_link_alone(serve):
    mailadmin = serve(WEB_HOST="0.0.0.0")
    mailadmin.wait_for("/setup/?token=")
    (path,) = re.findall(r"Create the first administrator at \S+(/setup/\?token=[0-9a-f]{32})\n", mailadmin.output)
    assert mailadmin.get("/setup/") == 403
    assert mailadmin.get(path) == 200
    assert not any("token" in line for line in mailadmin.others().values()), "everybody can read the arguments"
