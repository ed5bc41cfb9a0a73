"""How long and how long ago, in words."""

import pytest

from maillog.durations import age, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.001, "1 ms"), (0.0794, "80 ms"), (0.398, "0.4 s"), (2.0, "2.0 s"), (15.8, "16 s"), (119.5, "120 s"),
     (600, "10 min"), (7200, "2 h"), (172800, "2 days")],
)  # fmt: skip
def test_durations_are_rounded_up(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (119.9, "119 s"), (121, "2 min"), (7300, "2 h"), (200_000, "2 days")]
)
def test_ages_are_short(seconds, words):
    assert age(seconds) == words
