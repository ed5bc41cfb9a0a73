"""How long and how long ago, in words."""

from maillog.durations import age, duration


def test_durations_are_rounded_up():
    for seconds, words in [
        (0.001, "1 ms"),
        (0.0794, "80 ms"),
        (0.398, "0.4 s"),
        (2.0, "2.0 s"),
        (15.8, "16 s"),
        (119.5, "120 s"),
        (600, "10 min"),
        (7200, "2 h"),
        (172800, "2 days"),
    ]:
        assert duration(seconds) == words, seconds


def test_ages_are_short():
    for seconds, words in [(0, "0 s"), (119.9, "119 s"), (121, "2 min"), (7300, "2 h"), (200_000, "2 days")]:
        assert age(seconds) == words, seconds
