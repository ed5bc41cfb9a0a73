"""How results get from the loop's thread to the one that writes them down: every one, once, in batches."""

import threading

from mailadmin.flights import Landings

LONG = 60.0


def test_what_has_landed_is_taken_in_order_and_in_batches():
    landings = Landings()
    for number in range(5):
        landings.put(number)
    assert landings.take(3, patience=LONG, linger=LONG) == [0, 1, 2]
    assert landings.take(2, patience=LONG, linger=LONG) == [3, 4]


def test_nothing_is_taken_when_nothing_lands():
    assert Landings().take(3, patience=0.01, linger=LONG) == []


def test_a_batch_that_does_not_fill_is_taken_after_a_while():
    landings = Landings()
    landings.put(1)
    assert landings.take(50, patience=LONG, linger=0.01) == [1]


def test_a_full_batch_does_not_linger():
    landings = Landings()
    threading.Timer(0.01, lambda: [landings.put(number) for number in range(4)]).start()
    assert landings.take(4, patience=LONG, linger=LONG) == [0, 1, 2, 3]


def test_nothing_gets_lost_or_doubled_between_two_threads():
    landings, many = Landings(), 20_000
    thread = threading.Thread(target=lambda: [landings.put(number) for number in range(many)])
    thread.start()
    taken = []
    while len(taken) < many:
        batch = landings.take(min(50, many - len(taken)), patience=LONG, linger=0.02)
        assert len(batch) <= 50
        taken += batch
    thread.join()
    assert taken == list(range(many))
