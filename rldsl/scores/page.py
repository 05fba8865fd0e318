"""`report.html` of a scoring: distributions, what decides, and samples beside their scores. Reads kept values alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from rldsl.scores.asking import completion_rewards, groups_of, last_reward
from rldsl.scores.kept import Recomputed
from rldsl.scores.report import LENGTH, Correlation, NodeReport, ScoreReport, per_completion
from rldsl.scores.samples import Reading, choose_readings
from rldsl.train.durable import write_atomically
from rldsl.train.pages import highlight, page_template

PAGE: Final = "report.html"
TEMPLATE: Final = "report/scores.html.jinja"
MOST_COLUMNS: Final = 16  # of the table of correlations


@dataclass(frozen=True, slots=True)
class Pictured:
    """A node as a row of a table."""

    node: NodeReport
    present: int
    numbers: tuple[str, ...]
    picture: Markup


@dataclass(frozen=True, slots=True)
class Matrix:
    """Correlations: the first `MOST_COLUMNS` values and the length."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Correlation | None, ...]], ...]


def write_page(report: ScoreReport) -> Path:
    """Write the page into the folder of the scores; its path."""
    target = Path(report.folder) / PAGE
    write_atomically(target, render_page(report).encode("utf-8", "replace"))
    return target


def render_page(report: ScoreReport) -> str:
    """The page."""
    template = page_template(TEMPLATE, {"two": _two, "percent": _percent})
    html: str = template.render(
        report=report, facts=_facts(report), values=[_pictured(node) for node in report.nodes if node.kind != "call"],
        calls=[_pictured(node) for node in report.nodes if node.kind == "call"], matrix=_matrix(report.correlations),
        readings=_readings(report), spec_lines=highlight(report.plan.spec.source.text).split("\n"),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    return html


def _facts(report: ScoreReport) -> list[tuple[str, str]]:
    calls, money = sum(node.calls for node in report.nodes), sum(node.money for node in report.nodes)
    found = [("completions", f"{report.count:,}"), ("groups", f"{report.groups:,}"), ("seconds", f"{report.seconds:.1f}")]
    found += [("judge calls", f"{calls:,}")] if calls else []
    return found + ([("money", f"{money:.4g}")] if money else [])


def _readings(report: ScoreReport) -> Sequence[Reading]:
    """By the reward that no other is made of, else by the last one of the spec that is a number of a completion."""
    plan = report.plan
    rewards = completion_rewards(plan)
    if not rewards:
        return ()
    entry = last_reward(plan) or next(reversed(rewards.values()))
    found = Recomputed(plan, report.names, report.kept)
    values = found.values([entry.key])[entry.key]
    column, axis = per_completion(found, entry.key, values), plan.spec.graph[entry.key].type.axis
    if column is None:
        return ()
    states = found.states(entry.key, values)[report.kept.layout.owners(plan.response.sample_axis.name, axis.name)]
    return choose_readings(report, entry.name, column, states, groups_of(report))


def _pictured(node: NodeReport) -> Pictured:
    there = node.places - node.absent - node.failed - node.not_asked
    found = node.distribution
    if found is None:
        return Pictured(node, there, ("",) * 5, Markup(""))
    middle = found.quartiles[1] if found.quartiles else None
    numbers = tuple(_two(value) for value in (found.mean, found.sd, found.minimum, middle, found.maximum))
    return Pictured(node, there, numbers, _histogram(found.histogram))


def _histogram(counts: Sequence[int]) -> Markup:
    """Bars of equal width, as high as they have counts."""
    if not counts:
        return Markup("")
    width, tallest = 110 / len(counts), max(counts)
    bars = Markup("").join(
        Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>').format(
            index * width, 26 - 26 * count / tallest, max(width - 1, 0.5), 26 * count / tallest, count)
        for index, count in enumerate(counts) if count)
    return Markup('<svg viewBox="0 0 110 26" role="img" aria-label="distribution">{}</svg>').format(bars)


def _matrix(correlations: Sequence[Correlation]) -> Matrix | None:
    firsts = list(dict.fromkeys(entry.first for entry in correlations))[:MOST_COLUMNS]
    names = [*firsts, *(name for name in dict.fromkeys(entry.second for entry in correlations) if name not in firsts)]
    known = {(entry.first, entry.second): entry for entry in correlations}
    if not known:
        return None
    names = [*names[:MOST_COLUMNS], *([LENGTH] if LENGTH in names[MOST_COLUMNS:] else [])]
    rows = tuple((name, tuple(known.get((name, other), known.get((other, name))) for other in names)) for name in names)
    return Matrix(tuple(names), rows)


def _two(value: Any) -> str:
    """A number as a table shows it."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
