"""Everything that a spec takes from outside, as numbers: shapes, rewards, recorded log-probabilities, what models compute.

A `Scene` can be rearranged (permuted, doubled, thinned out) as a whole, from the rewards to the logits, and a compiled
objective computed on it. Laws compare such computations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rldsl.batch import GroupKey, Run
from rldsl.compiler import check_source
from rldsl.emit.evaluate import evaluate
from rldsl.graph.divergences import row_divergence
from rldsl.graph.model import Foreign, Freeze, Leaf, Node, Read, ReadKind, SourceKind
from rldsl.graph.order import ancestors
from rldsl.graph.spec import ObjectiveSpec, Schedule, Spec
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.dense import dense_reads
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.loading import library_only, project_loader
from rldsl.passes import compile_objective
from rldsl.program import CompiledObjective
from rldsl.source import Source
from rldsl.types import BATCH, NUMERIC, Axis, Level, LogProbability, Version

Name = tuple[str, ...]  # ("states", model, version, response or "response given context"), ("targets", response), ("reward", …), …
VOCABULARY = 5
SAMPLES = (4, 1, 3)                # of three prompts, one with a single sample
LENGTHS = (3, 1, 2, 4, 2, 0, 3, 1) # tokens of eight samples, one of them empty
PAIR_LENGTHS = ((2, 3, 1), (4, 1, 2), (3, 2, 2), (1, 4, 3))


@dataclass(frozen=True)
class Column:
    """Packed numbers on an axis."""

    axis: str
    values: Tensor


@dataclass(frozen=True)
class Scene:
    """A layout and columns by name."""

    layout: Layout
    columns: Mapping[Name, Column]

    def __getitem__(self, name: Name) -> Tensor:
        return self.columns[name].values

    def having(self, changed: Mapping[Name, Tensor]) -> Scene:
        """Other numbers in some columns."""
        return replace(self, columns={**self.columns, **{name: Column(self.columns[name].axis, values)
                                                         for name, values in changed.items()}})

    @property
    def states(self) -> list[Name]:
        """The names of the logits of the models under training."""
        return [name for name in self.columns if name[0] in ("states", "values") and name[2] == Version.CURRENT.value]


# ------------------------------------------------------------------ specs
@dataclass(frozen=True, eq=False)
class Law:
    """An objective of a spec, checked and staged, with nothing yet computed."""

    spec: Spec
    objective: ObjectiveSpec
    staged: StagedObjective

    def key(self, name: str) -> int:
        """The node of a reward or a top-level let."""
        return next(entry.key for entry in (*self.spec.rewards, *self.spec.lets) if entry.name == name)


@cache
def compiled(law: Law, backend: str) -> CompiledObjective:
    """In float64 torch (the emitted symbolic derivative, not autograd of the loss), or in the CPU kernels."""
    if backend == "torch":
        return CompiledObjective(law.staged, "torch", dtype=torch.float64)
    return CompiledObjective(law.staged, "numba")


@cache
def law(text: str, name: str | None = None, project: Path | None = None) -> Law:
    """An objective of a spec, by its name or the only one. What checks say of its mathematics (RL301, …) is not asked: laws
    are about what is computed, also where it is not what one should want."""
    loader = library_only if project is None else project_loader(project)
    result = check_source(Source("law.rl", text), loader)
    structural = [entry for entry in result.errors if entry.code < "RL200"]
    assert not structural and result.spec is not None, (structural, text)
    objective, = (entry for entry in result.spec.objectives if name in (None, entry.name))
    return Law(result.spec, objective, compile_objective(result.spec, objective))


# ------------------------------------------------------------------ scenes
@dataclass(frozen=True)
class Shape:
    """How many samples each prompt has, how many tokens each sample, and how many the given responses of each row."""

    samples: tuple[int, ...] = SAMPLES
    lengths: tuple[int, ...] = LENGTHS
    given: tuple[tuple[int, ...], ...] = PAIR_LENGTHS

    def layout(self, spec: Spec) -> Layout:
        """Of all axes of the spec. Every data set has as many rows."""
        axes = sorted((axis for axis in spec.axes.values() if axis != BATCH), key=lambda axis: axis.level)
        given = [entry.token_axis.name for entry in spec.responses if not entry.is_sampled]
        counts: dict[str, tuple[int, ...]] = {}
        for axis in axes:
            if axis.level is Level.PROMPT and axis.parent == BATCH:
                counts[axis.name] = (len(self.samples),)
            elif axis.level is Level.SAMPLE:
                counts[axis.name] = self.samples
            elif axis.name in given:
                counts[axis.name] = self.given[given.index(axis.name) % len(self.given)][:len(self.samples)]
            else:
                counts[axis.name] = self.lengths
        for axis in steps_of(spec):
            counts[axis.name] = tuple(1 + place % 3 for place in range(len(counts[tokens_of(axis)])))
        parents = {axis.name: _parent(axis) for axis in (*axes, *steps_of(spec))}
        inside = {axis.name: (tokens_of(axis), _divided(counts[tokens_of(axis)], counts[axis.name])) for axis in steps_of(spec)}
        return Layout.of(parents, counts, inside)


def steps_of(spec: Spec) -> list[Axis]:
    """The axes that cover tokens."""
    found = {axis for node in spec.graph.nodes for axis in node.type.axis.chain() if axis.over is not None}
    return sorted(found, key=lambda axis: axis.name)


def tokens_of(steps: Axis) -> str:
    """The axis that they cover."""
    assert steps.over is not None
    return steps.over.name


def _divided(tokens: Sequence[int], steps: Sequence[int]) -> list[int]:
    """How many tokens each step has: as many each as there are, the rest in the first."""
    return [held // count + (held % count if place == 0 else 0) for held, count in zip(tokens, steps, strict=True)
            for place in range(count)]


def _parent(axis: Axis) -> str:
    assert axis.parent is not None
    return axis.parent.name


def equal(prompts: int, samples: int, tokens: int) -> Shape:
    """As many of each everywhere."""
    return Shape((samples,) * prompts, (tokens,) * (prompts * samples), ((tokens,) * prompts,))


def scene_of(spec: Spec, seed: int = 0, shape: Shape = Shape(), vocabulary: int = VOCABULARY) -> Scene:
    """Random numbers for all that the spec takes from outside. Policies are near each other, so that ratios are near 1;
    rewards are multiples of 1/8, so that sums of them are exact."""
    random = np.random.default_rng(seed)
    layout = shape.layout(spec)
    columns: dict[Name, Column] = {}
    for response in spec.responses:
        count = layout.size(response.token_axis.name)
        targets = torch.from_numpy(random.integers(0, vocabulary, count))
        columns["targets", response.name] = Column(response.token_axis.name, targets)
        columns["base", response.name] = Column(response.token_axis.name, _normal(random, count, vocabulary))
    for node in spec.graph.nodes:
        for name, kind in _wanted(node):
            if name not in columns:
                columns[name] = Column(node.type.axis.name, _drawn(node, kind, layout, columns, random))
    return Scene(layout, columns)


def _wanted(node: Node) -> list[tuple[Name, str]]:
    """The columns that a node takes from outside."""
    match node.operation:
        case Read(kind=ReadKind.VALUE | ReadKind.SCORE) as read:
            return [(("values", read.model, read.version.value, read.response), "values")]
        case Read() as read:
            other = [] if read.other is None or read.other_version is None else [(read.other, read.other_version)]
            text = read.response if read.context is None else f"{read.response} given {read.context}"
            return [(("states", model, version.value, text), "states")
                    for model, version in [(read.model, read.version), *other]]
        case Leaf(kind=SourceKind.RECORDED, owner=owner, field="logp"):
            return [(("logp", owner), "logp")]
        case Leaf(kind=SourceKind.DATA) if node.type.element in NUMERIC:
            return [(_outside(node), "reward")]
        case Foreign() if node.type.element in NUMERIC:
            return [(_outside(node), "reward")]
        case _:
            return []


def _outside(node: Node) -> Name:
    """A name that is the same in all specs that ask the same."""
    if isinstance(node.operation, Leaf):
        return ("reward", node.operation.owner, node.operation.field)
    assert isinstance(node.operation, Foreign)
    return ("reward", node.operation.name, node.type.axis.name)


def _drawn(node: Node, kind: str, layout: Layout, columns: Mapping[Name, Column], random: np.random.Generator) -> Tensor:
    count = layout.size(node.type.axis.name)
    match kind:
        case "states":
            assert isinstance(node.operation, Read)
            base = columns["base", node.operation.response].values
            return base + 0.4 * _normal(random, *base.shape)
        case "values":
            return _normal(random, count)
        case "logp":
            assert isinstance(node.operation, Leaf) and isinstance(node.type.provenance, LogProbability)
            logits = columns["base", node.operation.owner].values / node.type.provenance.temperature
            return _chosen(logits, columns["targets", node.operation.owner].values)
        case _:
            return torch.from_numpy(_within(node, count, random))


def _within(node: Node, count: int, random: np.random.Generator) -> np.ndarray:
    interval = node.type.interval
    if interval.values is not None:
        return random.choice(np.asarray(interval.values), count)
    low, high = max(interval.low, -2.0), min(interval.high, 2.0)
    return low + random.integers(0, 8, count) * (high - low) / 8


def _chosen(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.log_softmax(logits, -1).gather(1, targets[:, None])[:, 0]


def _normal(random: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(random.standard_normal(shape))


# ------------------------------------------------------------------ scenes made from others
Arrange = Callable[[str, np.ndarray], Iterable[int]]


def rearranged(scene: Scene, arrange: Arrange) -> tuple[Scene, dict[str, np.ndarray]]:
    """A scene whose places are those of `scene` in another order, some of them several times or not at all.

    `arrange(axis, places)` says which of the places below one place of the parent there are, and in which order. Also the old
    places of each axis, in their new order.
    """
    layout = scene.layout
    old: dict[str, np.ndarray] = {"batch": np.zeros(1, np.int64)}
    counts = {}
    for axis, parent in layout.parents.items():
        bounds = layout.offsets[axis]
        found = [np.asarray(list(arrange(axis, np.arange(bounds[place], bounds[place + 1]))), np.int64)
                 for place in old[parent]]
        counts[axis] = [len(places) for places in found]
        old[axis] = np.concatenate([np.zeros(0, np.int64), *found])
    covers = {steps: (tokens, np.diff(bounds)[old[steps]]) for steps, (tokens, bounds) in layout.covers.items()}
    made = Layout.of(layout.parents, counts, covers)
    for axis in {column.axis for column in scene.columns.values()} - old.keys():
        old[axis] = _old_parts(layout, made, axis, old)
    columns = {name: Column(column.axis, column.values[torch.from_numpy(old[column.axis])])
               for name, column in scene.columns.items()}
    return Scene(made, columns), old


def _old_parts(before: Layout, after: Layout, axis: str, old: Mapping[str, np.ndarray]) -> np.ndarray:
    """The old places of fixed parts, or of pairs, which follow from those of what they are parts of."""
    members = after.parent(axis)
    starts = before.bounds(axis, members)[old[members]]
    if ".pair(" not in axis:
        return np.concatenate([start + np.arange(count) for start, count in zip(starts, np.diff(after.bounds(axis, members)),
                                                                               strict=True)])
    group = axis.rpartition(".pair(")[2].removesuffix(")")
    found = []
    for first, last in zip(after.bounds(members, group)[:-1], after.bounds(members, group)[1:], strict=True):
        inside = old[members][first:last]
        for place in range(first, last):
            others = np.delete(inside, place - first)
            among = np.sort(np.delete(inside, place - first))
            found.append(starts[place] + np.searchsorted(among, others))
    return np.concatenate([np.zeros(0, np.int64), *found])


def below(layout: Layout, chosen: str) -> set[str]:
    """The axes whose parent is `chosen`, which is `batch` for prompts."""
    return {axis for axis, parent in layout.parents.items() if parent == chosen}


# ------------------------------------------------------------------ what an objective says of a scene
@dataclass(frozen=True)
class Outcome:
    """Loss and terms, and the gradient by the logits (or values) of each trained response."""

    values: Mapping[str, float]
    gradients: Mapping[Name, Tensor]
    inputs: Mapping[str, np.ndarray]


def inputs_of(law: Law, scene: Scene) -> dict[str, np.ndarray]:
    """The frozen inputs of an objective, computed from the rewards on."""
    parameters = {entry.name: entry.value for entry in law.spec.params}
    keys = [given.source for given in law.staged.inputs if given.source is not None]
    found = evaluate(law.spec.graph, keys, scene.layout, known(law.spec, scene), read=reader(scene))
    inputs = {}
    for given in law.staged.inputs:
        value = found[given.source] if given.source is not None else parameters[given.name]
        assert not isinstance(value, Schedule)
        inputs[given.name] = value.detach().numpy() if isinstance(value, Tensor) else np.array([value], np.float64)
    return inputs


def value_of(law: Law, scene: Scene, name: str) -> np.ndarray:
    """A reward or a top-level let."""
    found = evaluate(law.spec.graph, [law.key(name)], scene.layout, known(law.spec, scene), read=reader(scene))[law.key(name)]
    assert isinstance(found, Tensor)
    return found.numpy()


def outcome(law: Law, scene: Scene, *, backend: str = "torch", most_rows: int | None = None, **given: np.ndarray) -> Outcome:
    """What a back end computes, at once or in runs of at most so many rows. `given` are inputs in place of those that the
    spec would compute."""
    objective, inputs = compiled(law, backend), inputs_of(law, scene)
    assert given.keys() <= inputs.keys(), f"{law.objective.name} has the inputs {list(inputs)}"
    inputs.update(given)
    dtype = torch.float64 if backend == "torch" else torch.float32
    live = {name: scene[name].to(dtype, copy=True).requires_grad_() for name in scene.states}
    batch = objective.batch(scene.layout, inputs)
    if most_rows is None:
        loss, values = objective.loss(batch, *_seen(law, scene, live))
        if loss.requires_grad:
            loss.backward()
    else:
        runs = objective.pieces(batch, rows=most_rows)
        for run in runs if runs.passes == 2 else ():
            objective.read_piece(batch, run, *_seen(law, scene, live, run))
        for run in reversed(runs.runs):
            objective.piece(batch, run, *_seen(law, scene, live, run)).backward()
        values = objective.finish(batch)
    gradients = {name: (torch.zeros_like(leaf) if leaf.grad is None else leaf.grad).double() for name, leaf in live.items()}
    return Outcome(values, gradients, inputs)


def _seen(law: Law, scene: Scene, live: Mapping[Name, Tensor],
          run: Run | None = None) -> tuple[dict[GroupKey, Rows], dict[int, Tensor]]:
    """What models computed of all tokens, or of those of a run: rows, and values by the keys of their reads."""
    rows, direct = {}, {}
    for group in law.staged.groups:
        model, text = group.rows
        leaf = live["states", model, Version.CURRENT.value, text]
        others = {other: scene["states", other, Version.FROZEN.value, text].to(leaf.dtype) for other in group.others}
        found = Rows(scene["targets", group.response], logits=leaf, others=others)
        rows[group.rows] = found if run is None else found[run.tokens[group.response]]
    for entry in law.staged.direct:
        value = live["values", entry.read.model, Version.CURRENT.value, entry.read.response]
        direct[entry.key] = value if run is None else value[run.of(entry)]
    return rows, direct


# ------------------------------------------------------------------ what a spec means, by its own graph
def known(spec: Spec, scene: Scene) -> dict[int, Any]:
    """The nodes whose values are numbers of the scene."""
    found: dict[int, Any] = {entry.key: [entry.value] for entry in spec.params if isinstance(entry.value, int | float)}
    for node in spec.graph.nodes:
        match node.operation:
            case Leaf(kind=SourceKind.RECORDED, owner=owner, field="length"):
                tokens = next(entry.token_axis for entry in spec.responses if entry.name == owner)
                found[node.key] = np.diff(scene.layout.offsets[tokens.name])
            case Leaf() if node.type.element not in NUMERIC and node.type.axis.name in scene.layout.parents:
                found[node.key] = [""] * scene.layout.size(node.type.axis.name)
            case Leaf() | Foreign():
                found.update((node.key, scene[name]) for name, _ in _wanted(node))
    return found


def reader(scene: Scene) -> Callable[[Node, Any], Tensor]:
    """Model reads, in plain torch from the logits of the scene; differentiable."""
    def read(node: Node, _: Any) -> Tensor:
        operation = node.operation
        assert isinstance(operation, Read)
        names = [name for name, _ in _wanted(node)]
        if operation.kind in (ReadKind.VALUE, ReadKind.SCORE):
            return scene[names[0]]
        own, *others = (scene[name] for name in names)
        name, parameter = (operation.kind.value, None) if not others else \
            row_divergence(operation.kind, operation.parameter, of_second=False)
        kind = (name, 0 if others else None, parameter)
        return dense_reads(own, others, scene["targets", operation.response], operation.temperature, [kind])[0]
    return read


def meaning(law: Law, scene: Scene, held: Mapping[int, Any] | None = None) -> Tensor:
    """The loss that is minimised, on the spec's own graph: no pass, no emitted text. `held` are nodes that keep a value."""
    terms = law.objective.terms
    given = {**known(law.spec, scene), **(held or {})}
    found = evaluate(law.spec.graph, [term.key for term in terms], scene.layout, given, read=reader(scene))
    total = torch.zeros((), dtype=torch.float64)
    for term in terms:
        value = found[term.key]
        assert isinstance(value, Tensor)
        present = torch.where(torch.isnan(value), 0.0, value).sum() if law.spec.graph[term.key].type.optional else value.sum()
        total = total - present if term.maximize else total + present
    return total


def frozen_values(law: Law, scene: Scene) -> dict[int, Any]:
    """What `frozen(…)` holds in an objective, at this scene."""
    needed = ancestors(law.spec.graph, [term.key for term in law.objective.terms])
    keys = [node.key for node in law.spec.graph.nodes if node.key in needed and isinstance(node.operation, Freeze)]
    return dict(evaluate(law.spec.graph, keys, scene.layout, known(law.spec, scene), read=reader(scene)))


def on_policy(scene: Scene) -> Scene:
    """The same with all weights of the trained models those of now: what the sampler recorded, and the proximal policy."""
    changed = {}
    for name in scene.columns:
        if name[0] == "logp":
            changed[name] = _chosen(next(scene[seat] for seat in scene.states if seat[0] == "states" and seat[3] == name[1]),
                                    scene["targets", name[1]])
        elif name[0] in ("states", "values") and name[2] == Version.ITERATION.value:
            current = (name[0], name[1], Version.CURRENT.value, name[3])
            if current in scene.columns:
                changed[name] = scene[current]
    return scene.having(changed)


# ------------------------------------------------------------------ comparing
def distance(found: Mapping[Name, Tensor], wanted: Mapping[Name, Tensor]) -> float:
    """Of two gradients, over the larger norm (over 1e-6, if both are smaller); NaN counts as infinitely far."""
    assert found.keys() == wanted.keys()
    one, other = (torch.cat([part.reshape(-1) for part in parts.values()]) for parts in (found, wanted))
    scale = max(float(one.norm()), float(other.norm()), 1e-6)
    return float(torch.nan_to_num(one - other, nan=torch.inf).norm()) / scale
