"""The report of a run: one HTML file from the files of the run folder alone. No network, no script."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from markupsafe import Markup

from rldsl.train.charts import Series, render_chart
from rldsl.train.durable import write_atomically
from rldsl.train.folder import ENVIRONMENT, PARAMETERS, RunFolder
from rldsl.train.pages import highlight, page_template, shorten
from rldsl.train.progress import format_number, format_seconds
from rldsl.train.report_data import (
    Comparison,
    History,
    find_equations,
    find_success,
    flatten,
    read_comparison,
    read_facts,
    read_history,
    read_or,
    read_texts,
)

TEMPLATE = "report/report.html.jinja"
MOST_EVENTS = 200
CPU_TOLERANCE = 1e-5  # what the sampler's log-probabilities may differ from the trainer's on a CPU

WATCHED = {
    "drift": "drift from what is held out, in standard deviations", "length_correlation": "correlation with the length",
    "saturation": "share at one end of the range", "no_signal": "groups without signal",
    "disagreement": "disagreement of an ensemble",
}

# Sections of curves: title, and patterns of the metrics in it, in order. A pattern with a group draws all
# that match together. What no pattern names comes last, folded away.
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Success", (r"success", r"eval/.+")),
    ("Reward", (r"reward", r"(rewards)/.+/mean", r"reward_std", r"frac_reward_zero_std")),
    ("Is a reward being gamed?", tuple(rf"(watch)/.+/{kind}" for kind in WATCHED)),
    ("Objective", (r"objective/.+", r"loss", r"kl", r"entropy", r"(clip_ratio)/.+")),
    ("Optimisation", (r"grad_norm", r"lr|learning_rate")),
    ("Responses", (r"(completions)/(?:mean|min|max)_length", r"completions/clipped_ratio")),
    ("Speed", (r"tokens_per_second", r"step_time")),
    ("Sampler against trainer", (r".*logp_difference.*",)),
)
_GROUP_TITLES = {
    "rewards": "reward nodes, mean",
    "completions": "response length",
    "clip_ratio": "clipped share",
}

@dataclass(frozen=True, slots=True)
class Figure:
    """One chart with its words: first and last value of a single curve, or the names of several."""

    title: str
    ends: str
    legend: tuple[str, ...]
    picture: Markup


@dataclass(frozen=True, slots=True)
class Section:
    """Charts under one heading."""

    title: str
    figures: tuple[Figure, ...]


def write_report(folder: RunFolder | Path | str) -> Path:
    """Writes `report.html` into a run folder, finished or not, and returns its path.

    Needs no lock on the run.
    """
    path = folder.path if isinstance(folder, RunFolder) else Path(folder)
    target = path / "report.html"
    write_atomically(target, render_report(path).encode("utf-8", "replace"))
    return target


def render_report(path: Path) -> str:
    """The report's HTML. What cannot be read is named in it."""
    problems: list[str] = []
    history = read_or(History(), lambda: read_history(path / "metrics.jsonl"), problems)
    parameters, environment = (read_facts(path, name, problems) for name in (PARAMETERS, ENVIRONMENT))
    spec, digest = read_texts(path)
    success = find_success(history)
    comparison = read_or(None, lambda: read_comparison(path, success.name if success else ""), problems)
    html: str = page_template(TEMPLATE, {"value": _render_value}).render(
        name=str(parameters.get("spec") or path.absolute().name),
        about=_doc_comment(spec),
        digest=digest,
        facts=_headline(history, parameters, success),
        status=_status(history),
        sections=[*_sections(history)],
        equations=find_equations(read_facts(path, "explain.json", problems)),
        comparison=comparison,
        spec_lines=highlight(spec).split("\n") if spec else [],
        parameters=flatten(parameters),
        environment=flatten(environment),
        events=[event for event in history.events if event.kind != "finished"],
        difference=_difference(history, environment),
        problems=problems,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return html


def _headline(
    history: History, parameters: dict[str, object], success: Series | None
) -> list[tuple[str, str]]:
    """Pairs of a name and a value: what a reader wants to know first."""
    facts = []
    if success is not None:
        facts.append(("held-out success", _ends(success, share=True)))
    if reward := history.series.get("reward"):
        facts.append(("reward", _ends(reward)))
    if history.last is not None:
        facts.append(("iterations", str(history.last)))
        facts.append(("time", format_seconds(history.seconds)))
    if history.sessions > 1:
        facts.append(("sessions", f"{history.sessions} (resumed {history.sessions - 1} times)"))
    seed = parameters.get("seed")
    return [*facts, ("seed", str(seed))] if seed is not None else facts


def _status(history: History) -> str:
    if history.last is None:
        return "nothing has been logged yet"
    last = history.events[-1] if history.events else None
    if last is not None and last.kind in ("finished", "stopped"):
        return last.message if last.message.startswith(last.kind) else f"{last.kind}: {last.message}".removesuffix(": ")
    return f"unfinished, last heard of at iteration {history.last}"


def _sections(history: History) -> Iterable[Section]:
    left = history.series | {name: one for name, one in history.timing.items() if name not in history.series}
    for title, patterns in SECTIONS:
        figures = [figure for pattern in patterns for figure in _figures(pattern, left, history)]
        if figures:
            yield Section(title, tuple(figures))
    if left:
        yield Section(
            "Everything else", tuple(_figure(name, [one], history) for name, one in sorted(left.items()))
        )


def _figures(pattern: str, left: dict[str, Series], history: History) -> Iterable[Figure]:
    """Draws the curves that a pattern names and takes them out of `left`.

    A group is drawn six curves at a time.
    """
    names = [name for name in left if re.fullmatch(pattern, name)]
    found = [left.pop(name) for name in names]
    group = re.match(r"\((\w+)\)", pattern)
    if group is None or len(found) < 2:
        yield from (_figure(one.name, [one], history) for one in found)
    else:
        for start in range(0, len(found), 6):
            yield _figure(WATCHED.get(pattern.rpartition("/")[2]) or _GROUP_TITLES[group[1]], found[start : start + 6], history)


def _figure(title: str, series: Sequence[Series], history: History) -> Figure:
    legend = tuple(one.name for one in series) if len(series) > 1 else ()
    ends = "" if legend else _ends(series[0])
    return Figure(title, ends, legend, render_chart(series, history.stages, history.span))


def _ends(series: Series, share: bool = False) -> str:
    first, last = series.points[0][1], series.points[-1][1]
    if share and min(first, last) >= 0 and max(first, last) <= 1:
        return f"{first:.1%} → {last:.1%}" if len(series.points) > 1 else f"{first:.1%}"
    return (
        f"{format_number(first)} → {format_number(last)}" if len(series.points) > 1 else format_number(first)
    )


def _difference(history: History, environment: dict[str, object]) -> str:
    """The sampler's log-probabilities against the trainer's: the largest difference, and if that is much."""
    found = [
        point for name, one in history.series.items() if "logp_difference" in name for point in one.points
    ]
    if not found:
        return ""
    iteration, value = max(found, key=lambda point: (math.isnan(point[1]), point[1]))
    text = f"at most {value:.2g}, at iteration {iteration}"
    too_large = (value > CPU_TOLERANCE or math.isnan(value)) and not environment.get("accelerators")
    return f"{text}: more than the {CPU_TOLERANCE:g} that a CPU should keep to" if too_large else text


def _doc_comment(spec: str) -> str:
    lines = []
    for line in spec.lstrip("\ufeff\n").splitlines():
        if not line.startswith("##"):
            break
        lines.append(line.lstrip("#").strip())
    return " ".join(lines)


def _render_value(value: object) -> str:
    """A reward's value: absent, a number, or what it is."""
    if value is None:
        return "absent"
    return format_number(float(value)) if isinstance(value, int | float) else shorten(json.dumps(value))


__all__ = ["Comparison", "Figure", "Section", "render_report", "write_report"]
