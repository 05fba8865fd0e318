"""Times the combine step: packed numba code against eager torch with autograd on padded tensors, 2 threads each.

The objective: a clipped surrogate on a group-normalised advantage, a k3 penalty and an entropy term. Each repetition
computes the loss, its terms and the derivative by every log-probability and entropy, from rewards and log-probabilities.
Repetitions are interleaved; the table holds medians. Run: `python benchmarks/combine.py`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from rldsl.emit.combine import Combine
from rldsl.emit.parameters import live_reads
from rldsl.graph.model import Function, Read, ReadKind, Reduction, SourceKind
from rldsl.graph.spec import ObjectiveSpec, Spec, TermSpec
from rldsl.graph.staged import StagedObjective
from rldsl.infer import Builder
from rldsl.kernels.layout import Layout
from rldsl.passes import compile_objective
from rldsl.source import Source, Span
from rldsl.types import BATCH, Axis, Element, Level, Stage, Type, Version

PROBLEM = Axis("problems", Level.PROMPT, "problems", BATCH)
SAMPLE = Axis("y.sample", Level.SAMPLE, "y", PROBLEM)
TOKEN = Axis("y.token", Level.TOKEN, "y", SAMPLE)
NOWHERE = Span("benchmark", 0, 0)
LOW, HIGH, BETA, BONUS = 0.8, 1.28, 0.02, 0.01


def grpo() -> StagedObjective:
    """The objective, staged."""
    build = Builder(stage=Stage.UPDATE)
    total = build.leaf(SourceKind.GIVEN, "total", "", Type(Element.REAL, axis=SAMPLE, stage=Stage.REWARD))
    old = build.leaf(SourceKind.GIVEN, "old", "", Type(Element.REAL, axis=TOKEN, stage=Stage.ROLLOUT))
    reference = build.leaf(SourceKind.GIVEN, "reference", "", Type(Element.REAL, axis=TOKEN, stage=Stage.ROLLOUT))
    logp = build.read(Read(ReadKind.LOGP, "actor", "y", Version.CURRENT), TOKEN)
    entropy = build.read(Read(ReadKind.ENTROPY, "actor", "y", Version.CURRENT), TOKEN)

    def make(function: Function, *inputs: int | float) -> int:
        return build.elementwise(function, *(build.constant(x) if isinstance(x, float) else x for x in inputs))

    def mean(x: int) -> int:
        return build.reduce(Reduction.MEAN, x, BATCH)

    centred = make(Function.SUBTRACT, total, build.reduce(Reduction.MEAN, total, PROBLEM))
    deviation = build.reduce(Reduction.STD_POPULATION, total, PROBLEM)
    advantage = make(Function.DIVIDE, centred, make(Function.ADD, deviation, 1e-4))
    ratio = make(Function.EXP, make(Function.SUBTRACT, logp, old))
    clipped = make(Function.MULTIPLY, make(Function.CLIP, ratio, LOW, HIGH), advantage)
    surrogate = mean(make(Function.MINIMUM, make(Function.MULTIPLY, ratio, advantage), clipped))
    distance = make(Function.SUBTRACT, reference, logp)
    k3 = make(Function.SUBTRACT, make(Function.SUBTRACT, make(Function.EXP, distance), 1.0), distance)
    terms = (TermSpec("surrogate", True, surrogate, NOWHERE),
             TermSpec("kl", False, make(Function.MULTIPLY, mean(k3), BETA), NOWHERE),
             TermSpec("entropy", True, make(Function.MULTIPLY, mean(entropy), BONUS), NOWHERE))
    return compile_objective(Spec(Source("benchmark", ""), {}, build.graph()),
                             ObjectiveSpec("grpo", "actor", terms, (), NOWHERE))


@dataclass(frozen=True)
class Batch:
    """Packed arrays of one update batch."""

    layout: Layout
    total: npt.NDArray[np.float64]
    tokens: dict[str, npt.NDArray[np.float64]]

    @staticmethod
    def random(samples: int, group: int, longest: int) -> Batch:
        """Lengths of an exponential distribution whose mean is a quarter of the longest; one has the longest."""
        chosen = np.random.default_rng(0)
        lengths = np.clip(chosen.exponential(longest / 4, samples), 1, longest).astype(np.int64)
        lengths = np.clip((lengths * (longest / 4) / lengths.mean()).astype(np.int64), 1, longest)
        lengths[0] = longest
        layout = Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                           {"problems": [samples // group], "y.sample": [group] * (samples // group),
                            "y.token": lengths})
        old = -chosen.exponential(1.0, int(lengths.sum()))
        near = {name: old + 0.1 * chosen.normal(size=old.size) for name in ("logp", "reference")}
        return Batch(layout, chosen.uniform(size=samples), {
            "old": old, **near, "entropy": chosen.uniform(0.1, 2.0, old.size)})

    def padded(self, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        """Rows of samples with zeros after their ends."""
        bounds = self.layout.bounds("y.token", "y.sample")
        lengths = np.diff(bounds)
        mask = np.arange(lengths.max()) < lengths[:, None]
        found = {"mask": torch.from_numpy(mask).to(dtype), "total": torch.from_numpy(self.total).to(dtype)}
        for name, values in self.tokens.items():
            rows = np.zeros(mask.shape)
            rows[mask] = values
            found[name] = torch.from_numpy(rows).to(dtype)
        return found


def eager(batch: Batch, group: int, dtype: torch.dtype, device: str | torch.device = "cpu") -> Callable[[], list[torch.Tensor]]:
    """The same arithmetic as a trainer writes it."""
    given = {name: values.to(device) for name, values in batch.padded(dtype).items()}
    mask, old, reference = given["mask"], given["old"], given["reference"]
    logp, entropy = (given[name].requires_grad_() for name in ("logp", "entropy"))

    def step() -> list[torch.Tensor]:
        grouped = given["total"].view(-1, group)
        deviation = grouped.std(1, correction=0, keepdim=True)
        advantage = ((grouped - grouped.mean(1, keepdim=True)) / (deviation + 1e-4)).reshape(-1, 1)
        ratio = torch.exp(logp - old)
        clipped = torch.min(ratio * advantage, ratio.clamp(LOW, HIGH) * advantage)
        distance = reference - logp
        k3 = torch.exp(distance) - 1 - distance
        count = mask.sum()
        surrogate = (clipped * mask).sum() / count
        kl, bonus = BETA * (k3 * mask).sum() / count, BONUS * (entropy * mask).sum() / count
        loss = kl - surrogate - bonus
        gradients = torch.autograd.grad(loss, [logp, entropy])
        return [loss.detach(), *gradients]

    return step


def packed(batch: Batch, threads: int) -> Callable[[], tuple[float, list[npt.NDArray[np.float64]]]]:
    """The compiled objective, its pieces over a few threads beside the values."""
    staged = grpo()
    combine = Combine(staged)
    inputs = {"total": batch.total, "old": batch.tokens["old"], "reference": batch.tokens["reference"]}
    reads = {live.key: batch.tokens[live.read.kind.value] for live in live_reads(staged)}
    pieces = batch.layout.size(staged.piece_axis.name)
    cuts = [pieces * i // (2 * threads) for i in range(2 * threads + 1)]
    out = {live.key: np.zeros(pieces) for live in live_reads(staged)}
    pool = ThreadPoolExecutor(threads)

    def step() -> tuple[float, list[npt.NDArray[np.float64]]]:
        prepared = combine.prepare(batch.layout, inputs)
        values = pool.submit(combine.values, batch.layout, inputs, prepared, reads)
        parts = [pool.submit(combine.coefficients, batch.layout, start, stop, inputs, prepared=prepared, reads=reads,
                             out=out) for start, stop in zip(cuts[:-1], cuts[1:], strict=True)]
        for part in parts:
            part.result()
        return values.result()["loss"], [out[key] for key in sorted(out)]

    return step


def compare(batch: Batch, group: int, threads: int) -> None:
    """Both must say the same."""
    loss, gradients = packed(batch, threads)()
    expected, *padded = eager(batch, group, torch.float64)()
    mask = batch.padded(torch.float64)["mask"] > 0
    np.testing.assert_allclose(loss, float(expected), rtol=1e-12)
    for ours, theirs in zip(gradients, padded, strict=True):
        np.testing.assert_allclose(ours, theirs[mask].numpy(), rtol=1e-9, atol=1e-18)


def measure(steps: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each, interleaved."""
    for step in steps.values():
        step()
        step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--longest", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    batch = Batch.random(chosen.samples, chosen.group, chosen.longest)
    compare(batch, chosen.group, chosen.threads)
    times = measure({"packed, float64": packed(batch, chosen.threads),
                     "eager padded, float64": eager(batch, chosen.group, torch.float64),
                     "eager padded, float32": eager(batch, chosen.group, torch.float32)}, chosen.rounds)
    tokens = batch.layout.size("y.token")
    print(f"{chosen.samples} samples, {tokens} tokens, longest {chosen.longest}, {chosen.threads} threads")
    print("| variant | median ms | min .. max | over packed |\n|---|---|---|---|")
    ours = statistics.median(times["packed, float64"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.2f} | {min(values):.2f} .. {max(values):.2f} | {middle / ours:.1f}x |")


if __name__ == "__main__":
    main()
