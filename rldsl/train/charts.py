"""Line charts as inline SVG, with values on hover and no script. Knows points and names; reads no files.

Colours are CSS variables of the page (`--s0` to `--s5`, `--ink`, `--grid`, …), so one chart serves light
and dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 360.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 10.0, 18.0, 24.0
MOST_POINTS = 160  # more are drawn as means of neighbours, in a band from the least to the greatest

Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: iteration and value, in order. A value that is not finite is marked and breaks the line."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """Iterations `first` to `last` of one stage."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Bucket:
    x: float
    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class _Scale:
    """From numbers to places in the picture."""

    x_first: float
    x_last: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_first) / ((self.x_last - self.x_first) or 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / ((self.y_high - self.y_low) or 1.0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def render_chart(
    series: Sequence[Series], stages: Sequence[Stage] = (), span: tuple[int, int] | None = None
) -> Markup:
    """One chart of curves over iterations.

    `span` is the first and last iteration of the axis (the curves' own).
    """
    xs = [x for one in series for x, _ in one.points]
    values = [y for one in series for _, y in one.points if math.isfinite(y)]
    first, last = span or (min(xs, default=0), max(xs, default=1))
    ticks = nice_ticks(*_bounds(values))
    scale = _Scale(first, last if last > first else first + 1, ticks[0], ticks[-1])
    parts = [
        *_stage_marks(stages, scale),
        *_axes(scale, ticks),
        *(
            part
            for index, one in enumerate(series)
            for part in _curve(one, index % 6, scale, len(series) > 1)
        ),
    ]
    label = ", ".join(one.name for one in series)
    return Markup('<svg viewBox="0 0 {w:g} {h:g}" role="img" aria-label="{label}">{body}</svg>').format(
        w=WIDTH, h=HEIGHT, label=label, body=Markup("").join(parts)
    )


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that enclose `low .. high`, at most `most` and at least two of them."""
    if not high > low:
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    step = _nice_step((high - low) / (most - 1))
    while math.ceil(high / step - 1e-9) - math.floor(low / step + 1e-9) + 1 > most:
        step = _nice_step(step * 1.01)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def format_tick(value: float) -> str:
    """Short enough for an axis: `0.25`, `20k`, `3e-6`."""
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        mantissa, _, exponent = f"{value:.2g}".partition("e")
        return f"{mantissa}e{int(exponent)}" if exponent else mantissa
    if size >= 1e4:
        return f"{value / 1e3:g}k"
    return f"{round(value, 6):g}"


def _nice_step(least: float) -> float:
    """The least of 1, 2 or 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(
        (factor * power for factor in (1.0, 2.0, 5.0) if factor * power >= least * (1 - 1e-9)), 10 * power
    )


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """From zero where zero is near, to one where shares come near it: curves of shares are then alike."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if 0 <= low < 0.5 * high:
        low = 0.0
    if 0.5 < high <= 1 and low == 0:
        high = 1.0
    return low, high


def _stage_marks(stages: Sequence[Stage], scale: _Scale) -> Iterable[Markup]:
    if len(stages) < 2:
        return
    for index, stage in enumerate(stages):
        left, right = (
            scale.x(max(stage.first - 0.5, scale.x_first)),
            scale.x(min(stage.last + 0.5, scale.x_last)),
        )
        if index % 2:
            yield _rectangle("stage", left, TOP, right - left, HEIGHT - TOP - BOTTOM)
        room = int((right - left) / 5.2)  # letters of this size
        name = stage.name if len(stage.name) <= room else stage.name[: room - 1] + "…"
        if room >= 3:
            yield _text("stage-name", left + 3, TOP - 6, name, "start")


def _axes(scale: _Scale, ticks: Sequence[float]) -> Iterable[Markup]:
    for tick in ticks:
        y = scale.y(tick)
        yield _line("axis" if tick == 0 or tick == ticks[0] else "grid", LEFT, y, WIDTH - RIGHT, y)
        yield _text("tick", LEFT - 6, y + 3.5, format_tick(tick), "end")
    for tick in nice_ticks(scale.x_first, scale.x_last, 6):
        if scale.x_first <= tick <= scale.x_last and tick == int(tick):
            yield _text("tick", scale.x(tick), HEIGHT - 7, format_tick(tick), "middle")


def _curve(series: Series, colour: int, scale: _Scale, named: bool) -> Iterable[Markup]:
    runs, broken = _split(series.points)
    size = max(1, math.ceil(sum(map(len, runs)) / MOST_POINTS))
    for run in runs:
        buckets = [_gather(run[start : start + size]) for start in range(0, len(run), size)]
        if size > 1:
            yield _polygon(f"band f{colour}", scale, buckets)
        if len(buckets) > 1:
            yield _polyline(f"line c{colour}", scale, buckets)
        for index, bucket in enumerate(buckets):
            yield _hover(series.name if named else "", colour, scale, buckets, index, bucket)
    for x, value in broken:
        yield Markup('<g class="bad"><title>{title}</title>{cross}</g>').format(
            title=f"iteration {x}: {value}",
            cross=_text("cross", scale.x(x), HEIGHT - BOTTOM - 2, "\N{MULTIPLICATION SIGN}", "middle"),
        )


def _split(points: Sequence[Point]) -> tuple[list[list[Point]], list[Point]]:
    """The stretches between numbers that are not finite, and those numbers."""
    runs: list[list[Point]] = [[]]
    broken: list[Point] = []
    for x, y in points:
        if math.isfinite(y):
            runs[-1].append((x, y))
        else:
            broken.append((x, y))
            runs.append([])
    return [run for run in runs if run], broken


def _gather(points: Sequence[Point]) -> _Bucket:
    values = [y for _, y in points]
    middle = sum(x for x, _ in points) / len(points)
    return _Bucket(middle, sum(values) / len(values), min(values), max(values), len(values))


def _hover(
    name: str, colour: int, scale: _Scale, buckets: Sequence[_Bucket], index: int, bucket: _Bucket
) -> Markup:
    """A dot that shows under the pointer, and an area around it that reaches halfway to its neighbours."""
    x, y = scale.x(bucket.x), scale.y(bucket.mean)
    left = (scale.x(buckets[index - 1].x) + x) / 2 if index else x - 4
    right = (scale.x(buckets[index + 1].x) + x) / 2 if index + 1 < len(buckets) else x + 4
    top, height = (y - 9, 18.0) if name else (TOP, HEIGHT - TOP - BOTTOM)  # several curves share the height
    alone = " alone" if len(buckets) <= 12 else ""
    return Markup('<g class="p{alone}">{area}<circle class="f{colour}" cx="{x}" cy="{y}" r="3"/></g>').format(
        alone=alone, colour=colour, x=_place(x), y=_place(y),
        area=_rectangle("area", left, top, right - left, height, _describe(name, bucket)),
    )  # fmt: skip


def _describe(name: str, bucket: _Bucket) -> str:
    head = f"{name}, iteration {bucket.x:g}" if name else f"iteration {bucket.x:g}"
    if bucket.count == 1:
        return f"{head}: {bucket.mean:.4g}"
    return f"around {head}: mean {bucket.mean:.4g}, from {bucket.low:.4g} to {bucket.high:.4g}"


def _polyline(style: str, scale: _Scale, buckets: Sequence[_Bucket]) -> Markup:
    places = " ".join(f"{_place(scale.x(one.x))},{_place(scale.y(one.mean))}" for one in buckets)
    return Markup('<polyline class="{}" points="{}"/>').format(style, places)


def _polygon(style: str, scale: _Scale, buckets: Sequence[_Bucket]) -> Markup:
    above = [f"{_place(scale.x(one.x))},{_place(scale.y(one.high))}" for one in buckets]
    below = [f"{_place(scale.x(one.x))},{_place(scale.y(one.low))}" for one in reversed(buckets)]
    return Markup('<polygon class="{}" points="{}"/>').format(style, " ".join(above + below))


def _rectangle(style: str, x: float, y: float, width: float, height: float, title: str = "") -> Markup:
    inner = Markup("<title>{}</title>").format(title) if title else ""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        style, _place(x), _place(y), _place(max(width, 0.1)), _place(height), inner
    )


def _line(style: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        style, *map(_place, (x1, y1, x2, y2))
    )


def _text(style: str, x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        style, _place(x), _place(y), anchor, text
    )


def _place(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
