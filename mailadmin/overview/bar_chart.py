"""Computes the overview's bar chart. Pure geometry: numbers in, SVG attributes out.

Sent messages are above the base line, failed ones below it, to the same scale; waiting messages have a strip and a
scale of their own. The page stretches the drawing, so it contains no text. Every number above zero is visible, however
large the others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 720.0
HEIGHT = 150.0  # of sent and failed together
GAP = 12.0
STRIP_HEIGHT = 32.0  # of waiting messages
MIN_BAR = 3.0  # height of a bar above zero
BAR_SHARE = 0.72  # of its column that a bar fills


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of one column."""

    sent: int = 0
    failed: int = 0
    other: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Rect:
    """One rectangle. The numbers are text, because a German page would format them with commas."""

    kind: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Column:
    """The bars of one hour or day, and its areas for the pointer above and below the base line."""

    bars: list[Rect]
    above: Rect
    below: Rect


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole chart; `ticks` are the x of grid lines, `top` is the number at the upper edge."""

    columns: list[Column]
    width: str
    height: str
    base: str
    strip: str  # y of the lower edge of the strip, empty without one
    ticks: list[str]
    top: int

    @property
    def paths(self) -> list[tuple[str, str]]:
        """All bars of a kind as one path, which renders faster than a rectangle each: (kind, d)."""
        found: dict[str, list[str]] = {}
        for column in self.columns:
            for bar in column.bars:
                found.setdefault(bar.kind, []).append(f"M{bar.x} {bar.y}h{bar.width}v{bar.height}h-{bar.width}z")
        return [(kind, "".join(parts)) for kind, parts in sorted(found.items())]


def drawing(figures: Sequence[Counts], *, tick_every: int) -> Drawing:
    """Return the chart of `figures`, oldest first."""
    up = nice(max((one.sent + one.other for one in figures), default=0))
    down = max((one.failed for one in figures), default=0)
    most_waiting = max((one.waiting for one in figures), default=0)
    base = _base_line(up, down)
    # One scale for both sides: the smaller one.
    scales = [base / up if up else 0.0, (HEIGHT - base) / down if down else 0.0]
    scale = min((one for one in scales if one), default=0.0)
    height = HEIGHT + GAP + STRIP_HEIGHT if most_waiting else HEIGHT
    step = WIDTH / max(1, len(figures))
    columns = []
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
        columns.append(
            Column(
                [bar for bar, size in zip(bars, (sent, other, failed, waited), strict=True) if size],
                _rect("above", step * number, 0, step, base),
                _rect("below", step * number, base, step, HEIGHT - base),
            )
        )
    ticks = [_text(step * number) for number in range(0, len(figures), tick_every)]
    top = round(base / scale) if scale and up else up
    return Drawing(columns, _text(WIDTH), _text(height), _text(base), _text(height) if most_waiting else "", ticks, top)


def nice(number: int) -> int:
    """Round up to the next of 1, 2, 5, 10, 20 …; 0 for 0."""
    if number <= 0:
        return 0
    power: int = 10 ** (len(str(number)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= number)


def _base_line(up: int, down: int) -> float:
    """Return the y of the base line: each side gets room in proportion, and a minimum."""
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
