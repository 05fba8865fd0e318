"""Compares a compiled objective with the float64 reference on random ragged batches: values and gradients.

What is certified is the emitted code itself with the sources that feed it; the model around it is not.

Tolerances come from what float32 can promise. The reference is computed a second time with each read moved by
`READ_ERROR` (sums of blocks of 2048 float32 terms, an exponential to 1.7e-7; relative for divergences, absolute for
logarithms, whose large parts are subtracted exactly) and, where rows are hidden states, with these moved by one float32
rounding. An error may be `MARGIN` times the change that this makes, plus 16 roundings of the array's largest number; a
GEMM adds as many more as a sum over the vocabulary makes at random, its square root. For a divergence D the largest
number is at least its derivative times D, since `p (log p/q - D)` cannot be better than D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.batch import GroupKey, Numbers, Run, UpdateBatch, whole
from rldsl.graph.divergences import DIVERGENCES
from rldsl.graph.model import ReadKind
from rldsl.graph.staged import HeadGroup, Input, StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Other, Rows
from rldsl.kernels.supports import Support
from rldsl.program import CompiledObjective
from rldsl.torch_backend import TorchBackend
from rldsl.types import BATCH, Element, Level, LogProbability

READ_ERROR = 3e-7
ROUNDING = 2.0**-24
MARGIN = 6.0
WIDTH = 24        # of hidden states
KINDS = ("ordinary", "large logits", "far from zero", "masked", "without signal", "tiny")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One array of one case."""

    case: str
    quantity: str
    tokens: int
    vocabulary: int
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """NaN fails."""
        return self.error <= self.tolerance


@dataclass(frozen=True, slots=True)
class Report:
    """What was compared, and with what result."""

    objective: str
    backend: str
    seed: int
    comparisons: tuple[Comparison, ...]

    @property
    def passed(self) -> bool:
        """Whether everything agrees."""
        return all(entry.passed for entry in self.comparisons)

    def to_json(self) -> dict[str, Any]:
        """For a file beside the kernel."""
        return {"objective": self.objective, "backend": self.backend, "seed": self.seed, "passed": self.passed,
                "tolerance": f"{MARGIN} x (reads moved by {READ_ERROR}) + 16 (with GEMMs + sqrt V) x 2^-24 x largest",
                "comparisons": [{**asdict(entry), "passed": entry.passed} for entry in self.comparisons]}

    def __str__(self) -> str:
        title = f"{self.objective} on {self.backend}: {'agrees' if self.passed else 'DOES NOT AGREE'} with the reference"
        rows = [f"  {entry.case:<16} {entry.quantity:<24} {entry.tokens:>6}  {entry.vocabulary:>10}  "
                f"{entry.error:>18.1e}  {entry.tolerance:>7.1e}{'' if entry.passed else '  <--'}"
                for entry in self.comparisons]
        header = f"  {'batch':<16} {'quantity':<24} tokens  vocabulary  largest difference  allowed"
        return "\n".join([title, header, *rows])


def certify(compiled: CompiledObjective, *, seed: int = 0, cases: int = 6) -> Report:
    """Compare with the float64 reference on `cases` random batches: ordinary, with logits of size 1e4, with rows far from
    zero, with masked vocabulary, with all-zero inputs, and of single tokens."""
    found: list[Comparison] = []
    reference = CompiledObjective(compiled.staged, "torch", dtype=torch.float64, meaning=compiled.meaning)
    for number in range(cases):
        case = _case(compiled.staged, KINDS[number % len(KINDS)], np.random.default_rng((seed, number)))
        for form, rows in case.forms.items():
            found += _compare(compiled, reference, case, form, rows)
    return Report(compiled.staged.name, compiled.backend, seed, tuple(found))


# ------------------------------------------------------------------ a random batch
@dataclass(frozen=True, slots=True)
class _Case:
    kind: str
    layout: Layout
    inputs: Mapping[str, Numbers]
    forms: Mapping[str, Mapping[GroupKey, Rows]]
    direct: Mapping[int, Tensor]


def _case(staged: StagedObjective, kind: str, rng: np.random.Generator) -> _Case:
    layout = random_layout(staged, rng, largest=1 if kind == "tiny" else 9)
    vocabulary = int(rng.choice([7, 300, 2500]))
    weight = torch.from_numpy(rng.standard_normal((vocabulary, WIDTH)).astype(np.float32) / WIDTH**0.5)
    hidden, logits = {}, {}
    for group in staged.groups:
        count = layout.size(group.axis.name)
        targets = torch.from_numpy(rng.integers(0, vocabulary, count))
        states = [torch.from_numpy(rng.standard_normal((count, WIDTH)).astype(np.float32) * 2)
                  for _ in range(1 + len(group.others))]
        key = group.rows
        support = random_support(targets, vocabulary, rng) if group.within else None
        hidden[key] = Rows(targets, states[0], weight,
                           others={name: (state, weight) for name, state in zip(group.others, states[1:], strict=True)},
                           support=support)
        shaped = _all_shaped([state @ weight.t() for state in states], targets, kind, bounded=not _is_heavy(group))
        logits[key] = Rows(targets, logits=shaped[0], others=dict(zip(group.others, shaped[1:], strict=True)), support=support)
    extreme = kind in ("large logits", "far from zero", "masked")
    forms = {"logits": logits} if extreme else {"logits": logits, "hidden": hidden}
    direct = {read.key: torch.from_numpy(rng.standard_normal(layout.size(read.axis.name))) for read in staged.direct}
    inputs = random_inputs(staged, layout, rng, logits, 0.0 if kind == "without signal" else 1.0)
    return _Case(kind, layout, inputs, forms if staged.groups else {"direct": {}}, direct)


def random_support(targets: Tensor, vocabulary: int, rng: np.random.Generator) -> Support:
    """Tokens that could be drawn at each place, the one that was among them: one alone, a few, or most."""
    shares = rng.choice([0.0, 0.01, 0.9], len(targets))
    inside = rng.random((len(targets), vocabulary)) < shares[:, None]
    inside[np.arange(len(targets)), targets.numpy()] = True
    return Support.of(inside)


def random_layout(staged: StagedObjective, rng: np.random.Generator, largest: int) -> Layout:
    """Ragged: some places of every axis but the first are empty, some hold one. What covers tokens divides them anyhow."""
    parents, counts = {}, {}
    sizes = {BATCH.name: 1}
    for axis in staged.axes:
        if axis.parent is not None:
            above = sizes[axis.parent.name]
            finest = axis.level is Level.TOKEN
            below = rng.integers(0, largest + 1, above) if finest else rng.integers(1, 5, above)
            if finest and above > 1:
                below[0], below[-1] = 0, 1
            elif axis.parent == BATCH:
                below[0] = 4
            parents[axis.name], counts[axis.name] = axis.parent.name, below
            sizes[axis.name] = int(below.sum())
    layout = Layout.of(parents, counts)
    return Layout.of(parents, counts, {axis.name: (axis.over.name, _inside(layout, axis.name, axis.over.name, rng))
                                       for axis in staged.axes if axis.over is not None and axis.over.name in parents})


def _inside(layout: Layout, steps: str, tokens: str, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """How many tokens lie in each step: those of the parent of both, cut at random places."""
    parent = layout.parent(steps)
    found: list[int] = []
    for count, held in zip(np.diff(layout.bounds(steps, parent)), np.diff(layout.bounds(tokens, parent)), strict=True):
        cuts = np.sort(rng.integers(0, held + 1, count - 1))
        found += np.diff(np.concatenate([[0], cuts, [held]])).tolist()
    return np.array(found, np.int64)


def _is_heavy(group: HeadGroup) -> bool:
    """Whether a divergence of the group grows as a power of the ratio of two probabilities."""
    return any(read.read.kind is ReadKind.ALPHA and not 0 < (read.read.parameter or 0) < 1 for read in group.reads)


def _all_shaped(rows: Sequence[Tensor], targets: Tensor, kind: str, bounded: bool) -> list[Tensor]:
    """The rows of the policy, then those of the others. Where powers of ratios are read, large rows differ by ordinary
    amounts: e^10000 is no number in any format."""
    own = _shaped(rows[0], targets, kind)
    if kind == "large logits" and not bounded:
        return [own, *(own + (other - rows[0]) for other in rows[1:])]
    return [own, *(_shaped(other, targets, kind) for other in rows[1:])]


def _shaped(logits: Tensor, targets: Tensor, kind: str) -> Tensor:
    """The logits of a kind of case. A chosen token is never masked."""
    match kind:
        case "large logits":
            return logits * 1e4 / float(logits.abs().max()) if len(logits) else logits
        case "far from zero":
            return logits + torch.where(torch.arange(len(logits)) % 2 == 0, 1e4, -1e4)[:, None]
        case "masked":
            masked = torch.arange(logits.shape[1]) % 3 == 0
            chosen = logits.gather(1, targets[:, None])
            return torch.where(masked, -torch.inf, logits).scatter(1, targets[:, None], chosen)
        case _:
            return logits


def random_inputs(staged: StagedObjective, layout: Layout, rng: np.random.Generator,
                  rows: Mapping[GroupKey, Rows] | None = None, scale: float = 1.0) -> dict[str, Numbers]:
    """Frozen inputs within the ranges of their types; log-probabilities near those of `rows`, where they are given."""
    rows = rows or {}
    return {given.name: _input(staged, given, layout, rows, scale, rng) for given in staged.inputs}


def _input(staged: StagedObjective, given: Input, layout: Layout, rows: Mapping[GroupKey, Rows], scale: float,
           rng: np.random.Generator) -> Numbers:
    """Within the range of its type; log-probabilities near those of the rows, so that ratios are near 1."""
    kind, count = staged.graph[given.key].type, layout.size(given.axis.name)
    if isinstance(kind.provenance, LogProbability):
        for (_, response), entry in rows.items():
            if _is_of(response, kind.provenance) and len(entry.targets) == count and entry.logits is not None:
                logits = entry.logits if entry.support is None else entry.support.restricted(entry.logits)
                exact = torch.log_softmax(logits.double() / kind.provenance.temperature, -1)
                return exact.gather(1, entry.targets[:, None])[:, 0].numpy() + 0.2 * rng.standard_normal(count)
    if kind.interval.values is not None:
        return rng.choice(np.asarray(kind.interval.values), count)
    if kind.element is Element.BOOL:
        return rng.integers(0, 2, count).astype(np.float64)
    low, high = max(kind.interval.low, -2.0), min(kind.interval.high, 2.0)
    low, high = (low, high) if low <= high else (kind.interval.low, kind.interval.high)
    drawn = rng.uniform(low, high, count)
    drawn = scale * drawn if kind.interval.contains(0.0) else drawn
    return np.round(drawn) if kind.element is Element.INT else drawn


def _is_of(rows: str, origin: LogProbability) -> bool:
    """Whether rows are those of a log-probability's response, over all tokens or within its support."""
    return rows == (f"{origin.response} within {origin.response}.support" if origin.within else origin.response)


# ------------------------------------------------------------------ comparing
def _compare(compiled: CompiledObjective, reference: CompiledObjective, case: _Case, form: str,
             rows: Mapping[GroupKey, Rows]) -> list[Comparison]:
    exact = _outcome(reference, case, rows)
    spread = float(exact.pop("divergences").max(initial=0.0))
    moved = _outcome(reference, case, _moved(rows), disturb=True)
    attempts = {form: _outcome(compiled, case, rows)}
    if form == "hidden":
        attempts["hidden, cut"] = _outcome(compiled, case, rows, most_rows=1)
    tokens = sum(len(entry.targets) for entry in rows.values())
    vocabulary = max((entry.vocabulary for entry in rows.values()), default=0)
    found = []
    for label, got in attempts.items():
        for name, wanted in exact.items():
            change, error = _distance(moved[name], wanted), _distance(got[name], wanted)
            roundings = 16.0 + (0.0 if form == "logits" else vocabulary**0.5)
            largest = max(_distance(wanted[np.isfinite(wanted)], 0.0), 0.0 if name == "loss" else spread)
            tolerance = MARGIN * change + ROUNDING * roundings * largest + 1e-12
            found.append(Comparison(case.kind, f"{name} ({label})", tokens, vocabulary, error, tolerance))
    return found


def _distance(found: Numbers, wanted: Numbers | float) -> float:
    """The largest difference; the same infinity on both sides is none, nor is nothing on both sides (a quotient of two zeros)."""
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        return float(np.where(same, 0.0, np.abs(found - wanted)).max(initial=0.0))


def _outcome(objective: CompiledObjective, case: _Case, rows: Mapping[GroupKey, Rows], *, disturb: bool = False,
             most_rows: int | None = None) -> dict[str, Numbers]:
    """Loss and gradients, at once or in runs of at most so many rows."""
    if isinstance(objective.runner, TorchBackend):
        objective.runner.disturb = _disturbed if disturb else None
    device = objective.runner.device
    live = {key: _live(entry, device) for key, entry in rows.items()}
    direct = {key: value.to(device, copy=True).requires_grad_() for key, value in case.direct.items()}
    batch = objective.batch(case.layout, case.inputs)
    runs = [whole(objective.staged, case.layout)]
    if most_rows is not None:
        cut = objective.pieces(batch, rows=most_rows)
        runs = list(cut)
        for run in runs if cut.passes == 2 else []:
            objective.read_piece(batch, run, _of_run(objective, live, run), _direct_of_run(objective, direct, run))
    for run in runs:
        objective.piece(batch, run, _of_run(objective, live, run), _direct_of_run(objective, direct, run)).backward()
    found = {"loss": np.array([objective.finish(batch)["loss"]]), "divergences": _divergences(batch)}
    for name in ("hidden", "weight", "logits"):
        found |= _gradients(f"by {name}", [getattr(entry, name) for entry in live.values()])
    return found | _gradients("by value", list(direct.values()))


def _divergences(batch: UpdateBatch) -> Numbers:
    """Each divergence times the derivative by it, in size, by logits."""
    found = [np.abs(batch.reads[read.key] * batch.slopes[read.key]) / group.temperature for group in batch.staged.groups
             for read in group.reads if read.coefficient is not None and read.read.kind in DIVERGENCES]
    return np.concatenate([np.zeros(1), *found])


def _gradients(name: str, tensors: Sequence[Tensor | None]) -> dict[str, Numbers]:
    given = [np.zeros(tensor.numel()) if tensor.grad is None else tensor.grad.double().cpu().numpy().reshape(-1)
             for tensor in tensors if tensor is not None]
    return {name: np.concatenate(given)} if given else {}


def _of_run(objective: CompiledObjective, rows: Mapping[GroupKey, Rows], run: Run) -> dict[GroupKey, Rows]:
    responses = {group.rows: group.response for group in objective.staged.groups}
    return {key: entry[run.tokens[responses[key]]] for key, entry in rows.items()}


def _direct_of_run(objective: CompiledObjective, direct: Mapping[int, Tensor], run: Run) -> dict[int, Tensor]:
    return {read.key: direct[read.key][run.of(read)] for read in objective.staged.direct}


def _live(rows: Rows, device: torch.device) -> Rows:
    """Leaves of their own, where the kernels run."""
    def leaf(given: Tensor | None) -> Tensor | None:
        return None if given is None else given.detach().to(device, copy=True).requires_grad_()

    others: dict[str, Other] = {}
    for name, other in rows.others.items():
        others[name] = other.to(device) if isinstance(other, Tensor) else (other[0].to(device), other[1].to(device))
    return replace(rows, targets=rows.targets.to(device), hidden=leaf(rows.hidden), weight=leaf(rows.weight),
                   logits=leaf(rows.logits), others=others)


def _moved(rows: Mapping[GroupKey, Rows]) -> dict[GroupKey, Rows]:
    """Hidden states one rounding away, to and fro."""
    def step(given: Tensor | None) -> Tensor | None:
        if given is None:
            return None
        sign = 1.0 - 2.0 * (torch.arange(given.numel()).reshape(given.shape) % 2)
        return given.double() * (1.0 + 2.0**-23 * sign)

    return {key: replace(entry, hidden=step(entry.hidden)) for key, entry in rows.items()}


def _disturbed(kind: ReadKind, values: Numbers) -> Numbers:
    """As far off as a kernel may be, to and fro, and within what such a read can be: an objective may take its root."""
    sign = 1.0 - 2.0 * (np.arange(len(values)) % 2)
    if kind is ReadKind.LOGP:
        return np.minimum(values + READ_ERROR * sign, np.maximum(values, 0.0))
    if kind is ReadKind.LOGZ:
        return values + READ_ERROR * sign
    if kind is ReadKind.ENTROPY:
        return np.maximum(values + READ_ERROR * sign, np.minimum(values, 0.0))
    if kind in DIVERGENCES:
        return np.maximum(values + READ_ERROR * (1.0 + np.abs(values)) * sign, np.minimum(values, 0.0))
    return values
