"""How results get from the loop's thread to the one that writes them down: every one, once, in batches."""

import threading
from typing import Any

from mailadmin.delivery.in_flight import CompletionQueue

LONG = 60.0


def landing(number: int) -> Any:
    """Stand in for a landing: what is handed on is not looked at."""
    return number


def put(landings: CompletionQueue, *numbers: int) -> None:
    for number in numbers:
        landings.put(landing(number))


def test_what_has_landed_is_taken_in_order_and_in_batches():
    landings = CompletionQueue()
    put(landings, *range(5))
    assert landings.take(3, patience=LONG, linger=LONG) == [landing(0), landing(1), landing(2)]
    assert landings.take(2, patience=LONG, linger=LONG) == [landing(3), landing(4)]


def test_nothing_is_taken_when_nothing_lands():
    assert CompletionQueue().take(3, patience=0.01, linger=LONG) == []


def test_a_batch_that_does_not_fill_is_taken_after_a_while():
    landings = CompletionQueue()
    put(landings, 1)
    assert landings.take(50, patience=LONG, linger=0.01) == [landing(1)]


def test_a_full_batch_does_not_linger():
    landings = CompletionQueue()
    threading.Timer(0.01, put, [landings, *range(4)]).start()
    assert landings.take(4, patience=LONG, linger=LONG) == [landing(number) for number in range(4)]


def test_nothing_gets_lost_or_doubled_between_two_threads():
    landings, many = CompletionQueue(), 20_000
    thread = threading.Thread(target=put, args=[landings, *range(many)])
    thread.start()
    taken: list[Any] = []
    while len(taken) < many:
        batch = landings.take(min(50, many - len(taken)), patience=LONG, linger=0.02)
        assert len(batch) <= 50
        taken += batch
    thread.join()
    assert taken == list(range(many))
