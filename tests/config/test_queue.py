import pickle
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.queue import open_queue

SECRET = "s" * 40


def carries_jobs(queue) -> None:
    """Check the whole way of a job through the store of `queue`, which is left empty."""
    done = []
    task = queue.task(name=f"tests.{uuid.uuid4()}")(done.append)
    queue.flush()
    task("a letter")
    assert queue.pending_count() == 1
    queue.execute(queue.dequeue())
    assert done == ["a letter"]
    assert queue.pending_count() == 0


def test_sqlite_makes_its_folder_and_keeps_jobs_across_processes(tmp_path):
    url = f"sqlite:///{tmp_path}/a/b/queue.sqlite3"
    carries_jobs(open_queue(url, SECRET))
    open_queue(url, SECRET).storage.enqueue(b"data")
    assert open_queue(url, SECRET).pending_count() == 1


@pytest.mark.postgres
def test_postgres_carries_jobs():
    carries_jobs(open_queue("postgres://postgres@127.0.0.1:5432/postgres", SECRET))


def test_wake_ups_in_sqlite_do_not_wait_for_the_disk_and_a_power_cut_leaves_the_file_whole(tmp_path):
    """NORMAL in WAL mode; OFF would not wait either, but may damage the file (sqlite.org/pragma.html)."""
    connection = open_queue(f"sqlite:///{tmp_path}/queue.sqlite3", SECRET).storage.conn
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.postgres
def test_wake_ups_in_postgres_do_not_wait_for_the_disk():
    connection = open_queue("postgres://postgres@127.0.0.1:5432/postgres", SECRET).storage.conn
    assert connection.execute("SHOW synchronous_commit").fetchone() == ("off",)


@pytest.mark.redis
def test_redis_carries_jobs():
    carries_jobs(open_queue("redis://127.0.0.1:6379/9", SECRET))


def test_a_job_that_was_not_signed_with_our_key_is_never_unpickled(tmp_path):
    queue = open_queue(f"sqlite:///{tmp_path}/queue.sqlite3", SECRET)
    for forged in (pickle.dumps(print), open_queue(f"sqlite:///{tmp_path}/x", "t" * 40).serializer.serialize(print)):
        queue.storage.enqueue(forged)
        with pytest.raises(ValueError, match=r"Signature|Separator"):
            queue.dequeue()


@pytest.mark.parametrize(
    "url", ["postgres://u:canary@127.0.0.1:1/db", "postgres://u@127.0.0.1:1/db?password=canary&nonsense=1"]
)
def test_a_store_that_does_not_open_stops_the_start_without_the_password(url):
    with pytest.raises(ImproperlyConfigured, match="QUEUE_URL: the queue's storage cannot be opened") as caught:
        open_queue(url, SECRET)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_folder_in_the_way_stops_the_start(tmp_path):
    with pytest.raises(ImproperlyConfigured, match="QUEUE_URL"):
        open_queue(f"sqlite:///{tmp_path}", SECRET)
