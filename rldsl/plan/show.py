"""What is predicted and what was chosen, in lines for people. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.plan.machines import Machine
from rldsl.plan.work import GroupPlan, Sizes, limit_seconds


def prediction_lines(plan: GroupPlan, sizes: Sizes, machine: Machine) -> Iterator[str]:
    """The steps of a group, their predicted times, and the share of what the machine allows."""
    rows = f"{plan.group.response} under {plan.group.model}"
    given = "logits given" if sizes.hidden is None else f"from hidden states, H = {sizes.hidden:,}"
    total, limit = plan.seconds, limit_seconds(plan, sizes, machine)
    yield f"predicted on {machine.name}, {rows}, T = {sizes.tokens:,}, V = {sizes.vocabulary:,}, {given}:"
    steps = [(step.name, milliseconds(step.seconds), _amount(step.flops, step.moved)) for step in plan.steps]
    width = max(len(name) for name, _, _ in steps)
    yield from (f"  {name.ljust(width)}  {time:>8} ms  {amount}".rstrip() for name, time, amount in steps)
    share = limit / total if total else 1.0
    yield f"  {'in all'.ljust(width)}  {milliseconds(total):>8} ms  {share:.0%} of the limit, {milliseconds(limit)} ms"


def choice_lines(plan: GroupPlan) -> Iterator[str]:
    """Tile and chunk, each with its reasons."""
    block, warps, stages = plan.tile.shape
    yield f"tile: {block:,} columns, {warps} warps, {stages} stage{'s' if stages > 1 else ''}"
    yield from (f"  {reason}" for reason in plan.tile.why)
    if plan.chunk is not None:
        passing = "" if plan.chunk.block == plan.chunk.rows else f", logits of {plan.chunk.block:,} at a time"
        yield f"chunk: {plan.chunk.rows:,} rows{passing}, {plan.chunk.size / 1e9:.2f} GB"
        yield from (f"  {reason}" for reason in plan.chunk.why)


def milliseconds(seconds: float) -> str:
    """Four digits at most."""
    value = seconds * 1e3
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def _amount(flops: float, moved: float) -> str:
    parts = [f"{flops / 1e12:.3g} TFLOP"] if flops else []
    parts += [f"{moved / 1e9:.3g} GB"] if moved else []
    return ", ".join(parts)
