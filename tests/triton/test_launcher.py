"""An emitted Triton file by itself: `update`, which needs torch and triton alone, against the float64 reference."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.batch import GroupKey, Numbers
from rldsl.certify import random_inputs, random_layout
from rldsl.emit.triton import emit_triton
from rldsl.emit.triton.load import interprets, load_triton
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.passes import compile_objective
from rldsl.program import CompiledObjective
from rldsl.reporting import check_path

pytestmark = pytest.mark.gpu

EXAMPLES = Path(__file__).parents[2] / "examples"
# by coupling: token (fused), token and a critic, sample, prompt with two responses, batch (two passes)
CARRIED = [("grpo.rl", 0), ("ppo.rl", 0), ("gspo.rl", 0), ("dpo.rl", 0), ("ppo.rl", 1), ("methods/m165-forking_tokens.rl", 0)]
VOCABULARY, WIDTH = 37, 8


def _device() -> str:
    return "cpu" if interprets() else "cuda"


def staged_of(name: str, number: int) -> StagedObjective:
    result = check_path(EXAMPLES / name, {})
    spec = getattr(result, "spec")  # noqa: B009
    return compile_objective(spec, spec.objectives[number])


def rows_of(staged: StagedObjective, layout: Layout, rng: np.random.Generator, form: str) -> dict[GroupKey, Rows]:
    weight = torch.from_numpy(rng.standard_normal((VOCABULARY, WIDTH)).astype(np.float32))
    found = {}
    for group in staged.groups:
        count = layout.size(group.axis.name)
        targets = torch.from_numpy(rng.integers(0, VOCABULARY, count))
        states = [torch.from_numpy(rng.standard_normal((count, WIDTH)).astype(np.float32)) for _ in range(1 + len(group.others))]
        if form == "hidden":
            others: dict[str, Any] = {name: (state, weight) for name, state in zip(group.others, states[1:], strict=True)}
            found[group.rows] = Rows(targets, states[0].requires_grad_(), weight.requires_grad_(), others=others)
        else:
            others = {name: state @ weight.t() for name, state in zip(group.others, states[1:], strict=True)}
            logits = (states[0] @ weight.detach().t()).requires_grad_()
            found[group.rows] = Rows(targets, logits=logits, others=others)
    return found


def _carried(module: Any, rows: Rows) -> Any:
    def moved(tensor: torch.Tensor | None) -> torch.Tensor | None:
        return None if tensor is None else tensor.detach().clone().to(_device())

    others = tuple(module.Rows(moved(rows.targets), moved(other)) if isinstance(other, torch.Tensor)
                   else module.Rows(moved(rows.targets), None, moved(other[0]), moved(other[1]))
                   for other in rows.others.values())
    return module.Rows(moved(rows.targets), moved(rows.logits), moved(rows.hidden), moved(rows.weight), others=others)


def counts_of(text: str, layout: Layout) -> dict[str, int]:
    """The named arguments of `update` that say how many places an axis has."""
    said = {name: _named(text, name) for name in arguments_of(text)[1]}
    return {name: layout.size(line.removeprefix("how many places ").removesuffix(" has")) for name, line in said.items()
            if line.startswith("how many places ")}


def arguments_of(text: str) -> tuple[list[str], list[str]]:
    """Positional and named parameters of `update`."""
    function = next(entry for entry in ast.parse(text).body if isinstance(entry, ast.FunctionDef) and entry.name == "update")
    return [entry.arg for entry in function.args.args], [entry.arg for entry in function.args.kwonlyargs]


def _named(text: str, name: str) -> str:
    """What the documentation of `update` says of a parameter."""
    line = next(line for line in text[text.index("def update("):].splitlines() if line.strip().startswith(f"{name}: "))
    return line.partition(": ")[2]


def run_update(staged: StagedObjective, layout: Layout, inputs: Mapping[str, Numbers], rows: Mapping[GroupKey, Rows],
               direct: Mapping[int, torch.Tensor],
               chunks: tuple[int, int]) -> tuple[dict[str, float], dict[str, torch.Tensor], list[Any]]:
    text = emit_triton(staged).text
    module: Any = load_triton(text, "carried")
    module.CHUNK_BYTES, module.LEAST_ROWS = chunks
    heads = [_carried(module, rows[group.rows]) for group in staged.groups]
    given = [*heads, *(direct[read.key].detach().to(_device()) for read in staged.direct)]
    named = {name: entry.to(_device()) for name, entry in frozen_of(text, staged, layout, inputs).items()}
    numbers, slopes = module.update(*given, **named, **counts_of(text, layout))
    return numbers, slopes, heads


def frozen_of(text: str, staged: StagedObjective, layout: Layout, inputs: Mapping[str, Numbers]) -> dict[str, torch.Tensor]:
    """The named arguments of `update`, on the host."""
    named: dict[str, torch.Tensor] = {}
    frozen = iter(staged.inputs)
    for name in arguments_of(text)[1]:
        said = _named(text, name)
        if said.startswith("how many"):
            continue
        if said.startswith("int64"):
            axis, ancestor = said.split("places of ")[1].split(" below each place of ")
            named[name] = torch.from_numpy(layout.bounds(axis, ancestor.split(" start")[0]).copy())
        else:
            named[name] = torch.from_numpy(np.ascontiguousarray(inputs[next(frozen).name]))
    return named


@pytest.mark.wide(2)
@pytest.mark.parametrize(("form", "chunks"), [("hidden", (2 << 30, 1024)), ("logits", (2 << 30, 1024)), ("hidden", (1, 3))],
                         ids=["hidden", "logits", "chunks of three rows"])
@pytest.mark.parametrize(("name", "number"), CARRIED)
def test_an_emitted_file_alone_gives_loss_and_gradients_of_the_reference(name: str, number: int, form: str,
                                                                         chunks: tuple[int, int]) -> None:
    staged = staged_of(name, number)
    rng = np.random.default_rng(5)
    layout = random_layout(staged, rng, largest=7)
    rows = rows_of(staged, layout, rng, form)
    inputs = random_inputs(staged, layout, rng)
    sizes = {read.key: layout.size(read.axis.name) for read in staged.direct}
    direct = {key: torch.from_numpy(rng.standard_normal(size)).requires_grad_() for key, size in sizes.items()}
    numbers, slopes, heads = run_update(staged, layout, inputs, rows, direct, chunks)

    reference = CompiledObjective(staged, "torch", dtype=torch.float64)
    loss, values = reference.loss(reference.batch(layout, inputs), rows, direct)
    loss.backward()
    assert numbers == pytest.approx(values, rel=1e-5, abs=1e-6, nan_ok=True)
    weights: list[torch.Tensor] = []
    for group, head in zip(staged.groups, heads, strict=True):
        given = rows[group.rows]
        if form == "logits":
            assert given.logits is not None
            _same(head.logits, given.logits.grad)
        else:
            assert given.hidden is not None
            _same(head.by_hidden, given.hidden.grad)
            weights += [] if head.by_weight is None else [head.by_weight]
    if weights:
        shared = rows[staged.groups[0].rows].weight
        assert shared is not None
        _same(torch.stack(weights).sum(0), shared.grad)
    for read in staged.direct:
        if read.coefficient is not None:
            _same(next(iter(slopes.values())), direct[read.key].grad)


def test_an_emitted_file_takes_states_and_a_weight_as_a_model_gives_them() -> None:
    staged = staged_of("gspo.rl", 0)
    rng = np.random.default_rng(5)
    layout = random_layout(staged, rng, largest=7)
    rows, inputs = rows_of(staged, layout, rng, "hidden"), random_inputs(staged, layout, rng)
    given = rows[staged.groups[0].rows]
    module = load_triton(emit_triton(staged).text, "carried")
    assert given.hidden is not None and given.weight is not None
    states, weight = given.hidden.to(_device()) * 1, given.weight.to(_device()) * 1
    head = module.Rows(given.targets.to(_device()), hidden=states, weight=weight)
    bounds = torch.from_numpy(layout.bounds("y.token", "y.sample").copy()).to(_device())
    frozen = {name: torch.from_numpy(np.ascontiguousarray(values)).to(_device()) for name, values in inputs.items()}
    module.update(head, y_token_in_y_sample=bounds, **frozen)
    torch.autograd.backward([states, weight], [head.by_hidden, head.by_weight])

    reference = CompiledObjective(staged, "torch", dtype=torch.float64)
    loss, _ = reference.loss(reference.batch(layout, inputs), rows)
    wanted = torch.autograd.grad(loss, [given.hidden, given.weight])
    _same(given.hidden.grad, wanted[0])
    _same(given.weight.grad, wanted[1])


def _same(found: torch.Tensor | None, wanted: torch.Tensor | None) -> None:
    """To 64 roundings of the largest entry: products of 37 and of 8 terms, and a few factors of the row."""
    if wanted is None:
        assert found is None or not found.any()
        return
    assert found is not None
    largest = float(wanted.abs().max()) if wanted.numel() else 0.0
    torch.testing.assert_close(found.cpu().double(), wanted.double(), rtol=0.0, atol=64 * 2.0**-24 * max(largest, 1e-3))


@pytest.mark.parametrize(("name", "number"), CARRIED)
def test_an_emitted_file_imports_torch_and_triton_alone(name: str, number: int) -> None:
    found = set()
    for statement in ast.walk(ast.parse(emit_triton(staged_of(name, number)).text)):
        match statement:
            case ast.Import(names=names):
                found |= {entry.name.partition(".")[0] for entry in names}
            case ast.ImportFrom(module=module):
                found.add((module or "").partition(".")[0])
    assert found <= {"__future__", "collections", "dataclasses", "math", "typing", "torch", "triton"}
