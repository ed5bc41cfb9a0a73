"""Where the bars of the overview stand. Pure geometry: numbers in, the attributes of an SVG out.

Sent mails stand on the base line, failed ones hang below it, to the same scale; what waited has a strip and a scale of
its own. The drawing is stretched to whatever room the page has, so it holds no text. Every number that is not zero is
seen, however large the others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 720.0
HEIGHT = 150.0  # of sent and failed together
GAP = 12.0
STRIP_HEIGHT = 32.0  # of what waited
MIN_BAR = 3.0  # of a bar that is not zero
BAR_SHARE = 0.72  # of its place that a bar fills


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of one place."""

    sent: int = 0
    failed: int = 0
    other: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Rect:
    """One rectangle; the numbers are text, because a page in German would write them with commas."""

    kind: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """What is drawn of one hour or day, and where a pointer finds it: above and below the base line."""

    bars: list[Rect]
    above: Rect
    below: Rect


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole of it; `ticks` are the x of lines, `top` is the number that the upper edge stands for."""

    places: list[Column]
    width: str
    height: str
    base: str
    strip: str  # y of the lower edge of the strip, empty without one
    ticks: list[str]
    top: int

    @property
    def paths(self) -> list[tuple[str, str]]:
        """All bars of a kind as one path, which a page writes sooner than a rectangle each: (kind, d)."""
        found: dict[str, list[str]] = {}
        for place in self.places:
            for bar in place.bars:
                found.setdefault(bar.kind, []).append(f"M{bar.x} {bar.y}h{bar.width}v{bar.height}h-{bar.width}z")
        return [(kind, "".join(parts)) for kind, parts in sorted(found.items())]


def drawing(figures: Sequence[Counts], *, tick_every: int) -> Drawing:
    """Return the drawing of these places, oldest first."""
    up = nice(max((one.sent + one.other for one in figures), default=0))
    down = max((one.failed for one in figures), default=0)
    most_waiting = max((one.waiting for one in figures), default=0)
    base = _base_line(up, down)
    # To the same scale, the smaller that both sides need.
    scales = [base / up if up else 0.0, (HEIGHT - base) / down if down else 0.0]
    scale = min((one for one in scales if one), default=0.0)
    height = HEIGHT + GAP + STRIP_HEIGHT if most_waiting else HEIGHT
    step = WIDTH / max(1, len(figures))
    places = []
    for number, one in enumerate(figures):
        left, width = step * (number + (1 - BAR_SHARE) / 2), step * BAR_SHARE
        sent, other, failed = (_length(count, scale) for count in (one.sent, one.other, one.failed))
        squeeze = min(1.0, base / (sent + other)) if sent + other else 1.0
        sent, other = sent * squeeze, other * squeeze
        waited = _length(one.waiting, STRIP_HEIGHT / most_waiting if most_waiting else 0.0)
        bars = [
            _rect("sent", left, base - sent, width, sent),
            _rect("other", left, base - sent - other, width, other),
            _rect("failed", left, base, width, failed),
            _rect("waiting", left, height - waited, width, waited),
        ]
        places.append(
            Column(
                [bar for bar, size in zip(bars, (sent, other, failed, waited), strict=True) if size],
                _rect("above", step * number, 0, step, base),
                _rect("below", step * number, base, step, HEIGHT - base),
            )
        )
    ticks = [_text(step * number) for number in range(0, len(figures), tick_every)]
    top = round(base / scale) if scale and up else up
    return Drawing(places, _text(WIDTH), _text(height), _text(base), _text(height) if most_waiting else "", ticks, top)


def nice(number: int) -> int:
    """Return the next number of the kind 1, 2, 5, 10, 20 … that is not smaller; 0 for 0."""
    if number <= 0:
        return 0
    power: int = 10 ** (len(str(number)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= number)


def _base_line(up: int, down: int) -> float:
    """Return where the base line is: each side has the room that it needs, and at least a little."""
    if not down:
        return HEIGHT - 1
    if not up:
        return MIN_BAR * 4
    return min(max(HEIGHT * up / (up + down), MIN_BAR * 4), HEIGHT - MIN_BAR * 4)


def _length(count: int, scale: float) -> float:
    return max(MIN_BAR, count * scale) if count > 0 else 0.0


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Rect:
    return Rect(kind, _text(x), _text(y), _text(width), _text(height))


def _text(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
