import threading
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import caches
from django.db import connection
from django.utils import timezone

from users.models import CacheEntry
from users.shared_cache import SharedCache

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def cache():
    return SharedCache("", {})


def test_a_value_is_there_until_it_expires(cache):
    cache.set("history", [1.5, 2.5], timeout=60)
    assert cache.get("history") == [1.5, 2.5]
    cache.set("history", [3.5], timeout=60)
    assert cache.get("history") == [3.5]
    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert cache.get("history", "gone") == "gone"


def test_of_those_who_add_one_succeeds(cache):
    assert cache.add("lock", True, timeout=10)
    assert not cache.add("lock", True, timeout=10)
    with time_machine.travel(timezone.now() + timedelta(seconds=11), tick=False):
        assert cache.add("lock", True, timeout=10), "it has expired"
        assert not cache.add("lock", True, timeout=10)
    assert cache.delete("lock")
    assert not cache.delete("lock")
    assert cache.add("lock", True, timeout=10)


def test_counting_does_not_make_it_last_longer(cache):
    cache.set("count", 1, timeout=60)
    before = CacheEntry.objects.get().expires_at
    assert cache.incr("count") == 2
    assert CacheEntry.objects.get().expires_at == before
    with pytest.raises(ValueError, match="not found"):
        cache.incr("nothing")


def test_a_value_can_last_for_ever_and_be_prolonged(cache):
    cache.set("kept", "x", timeout=None)
    with time_machine.travel(timezone.now() + timedelta(days=3000), tick=False):
        assert cache.get("kept") == "x"
        assert cache.touch("kept", 10)
    assert not cache.touch("nothing")
    cache.clear()
    assert cache.get("kept") is None


def test_what_has_expired_is_removed_now_and_then(cache):
    for number in range(300):
        cache.set(str(number), 1, timeout=-1)
    assert CacheEntry.objects.count() < 300


@pytest.mark.django_db(transaction=True)
def test_counts_of_several_at_once_all_count(cache):
    cache.set("count", 0, timeout=60)
    added = []

    def work():
        for _ in range(10):
            cache.incr("count")
        added.append(cache.add("lock", True, timeout=60))
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert cache.get("count") == 40
    assert sorted(added) == [False, False, False, True]


@pytest.mark.redis
def test_redis_counts_too_and_keeps_no_pickles(settings):
    options = {"serializer": "users.shared_cache.JsonSerializer"}
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:6379/15"}
    settings.CACHES = {**settings.CACHES, "redis": {**redis, "KEY_PREFIX": "mailadmin-test", "OPTIONS": options}}
    cache = caches["redis"]
    cache.delete_many(["history", "count"])
    cache.set("history", [1.5], timeout=60)
    assert cache.get("history") == [1.5]
    assert cache.add("count", 0, timeout=60)
    assert cache.incr("count") == 1
    assert cache.get("count") == 1
    cache.delete_many(["history", "count"])
