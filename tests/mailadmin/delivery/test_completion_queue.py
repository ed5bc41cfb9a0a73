"""How results get from the event loop's thread to the thread that records them: every one, once, in batches."""

import threading
from typing import Any

from mailadmin.delivery.in_flight import CompletionQueue

LONG = 60.0


def completion(number: int) -> Any:
    """Stand in for a completion: the queue does not look at what it carries."""
    return number


def add(completions: CompletionQueue, *numbers: int) -> None:
    for number in numbers:
        completions.add(completion(number))


def test_completions_are_taken_in_order_and_in_batches():
    completions = CompletionQueue()
    add(completions, *range(5))
    assert completions.take(3, timeout=LONG, linger=LONG) == [completion(0), completion(1), completion(2)]
    assert completions.take(2, timeout=LONG, linger=LONG) == [completion(3), completion(4)]


def test_nothing_is_taken_when_nothing_completes():
    assert CompletionQueue().take(3, timeout=0.01, linger=LONG) == []


def test_a_batch_that_does_not_fill_is_taken_after_a_while():
    completions = CompletionQueue()
    add(completions, 1)
    assert completions.take(50, timeout=LONG, linger=0.01) == [completion(1)]


def test_a_full_batch_does_not_linger():
    completions = CompletionQueue()
    threading.Timer(0.01, add, [completions, *range(4)]).start()
    assert completions.take(4, timeout=LONG, linger=LONG) == [completion(number) for number in range(4)]


def test_nothing_is_lost_or_doubled_between_two_threads():
    completions, many = CompletionQueue(), 20_000
    thread = threading.Thread(target=add, args=[completions, *range(many)])
    thread.start()
    taken: list[Any] = []
    while len(taken) < many:
        batch = completions.take(min(50, many - len(taken)), timeout=LONG, linger=0.02)
        assert len(batch) <= 50
        taken += batch
    thread.join()
    assert taken == list(range(many))
