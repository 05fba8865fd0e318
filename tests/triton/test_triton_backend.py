"""The Triton back end as a whole, emitted kernels and all, interpreted on the CPU or on a GPU: against float64 autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.certify import certify
from rldsl.emit.to_head import RowRead, RowShape
from rldsl.graph.model import ReadKind
from rldsl.kernels.rows import Other, Rows
from rldsl.kernels.supports import Support
from rldsl.program import CompiledObjective, Program
from rldsl.scoring import score_rows
from rldsl.triton_backend import TritonBackend
from rldsl.triton_module import TritonOptions
from rldsl.triton_scoring import score_on_device
from tests.head.objectives import Batch, as_logits, close, compiled, gradients, in_runs, program, ragged, reference

pytestmark = pytest.mark.gpu

NAMES = ["token", "pairs", "plain", "sample", "prompt", "batch", "exact", "generalised"]
VOCABULARY, TOKENS = 300, 43
SMALL = TritonOptions(chunk_bytes=9 * 4 * 320, least_rows=3)


def on_triton(name: str, options: TritonOptions = SMALL) -> CompiledObjective:
    """An objective on emitted kernels."""
    return CompiledObjective(compiled(name).staged, "triton", options=options, meaning=compiled(name).meaning)


def moved(batch: Batch, objective: CompiledObjective) -> Batch:
    """Where the kernels run."""
    device = objective.runner.device
    known: dict[int, torch.Tensor] = {}
    return batch if device.type == "cpu" else replace(batch, rows={key: _moved(entry, device, known)
                                                                   for key, entry in batch.rows.items()})


def _moved(entry: Rows, device: torch.device, known: dict[int, torch.Tensor]) -> Rows:
    """What several rows share, they share there too: `known` are those that were moved."""
    def leaf(given: torch.Tensor | None) -> torch.Tensor | None:
        if given is None:
            return None
        return known.setdefault(id(given), given.detach().to(device).requires_grad_(given.requires_grad))

    def beside(other: Other) -> Other:
        return other.to(device) if isinstance(other, torch.Tensor) else (other[0].to(device), other[1].to(device))

    others = {name: beside(other) for name, other in entry.others.items()}
    return replace(entry, targets=entry.targets.to(device), hidden=leaf(entry.hidden), weight=leaf(entry.weight),
                   bias=leaf(entry.bias), logits=leaf(entry.logits), others=others,
                   places=None if entry.places is None else entry.places.to(device))


def found(objective: CompiledObjective, batch: Batch, in_place: bool = False) -> list[torch.Tensor]:
    """Gradients, on the CPU."""
    return [gradient.cpu() for gradient in gradients(objective, moved(batch, objective), in_place=in_place)]


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", [*NAMES[:-1], pytest.param("generalised", marks=pytest.mark.slow)])
def test_values_and_gradients_from_hidden_states_are_those_of_the_reference(name: str) -> None:
    batch, objective = ragged(name, bias=True), on_triton(name)
    assert close(found(objective, batch), gradients(reference(name), batch))
    given = moved(batch, objective)
    values = [entry.loss(entry.batch(batch.layout, batch.inputs), rows)[1] for entry, rows in
              ((objective, given.rows), (reference(name), batch.rows))]
    assert values[0] == pytest.approx(values[1], rel=1e-5, abs=1e-6)


@pytest.mark.wide(1)
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("name", ["token", "sample", "batch", "exact"])
def test_logits_become_gradients_in_place_or_beside_them(name: str, in_place: bool) -> None:
    batch = as_logits(ragged(name))
    wanted = gradients(reference(name), batch)
    assert close(found(on_triton(name), batch, in_place), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["token", "prompt", "batch"])
def test_runs_of_any_size_give_the_same_gradient(name: str) -> None:
    batch, objective = ragged(name), on_triton(name)
    wanted = gradients(reference(name), batch)
    given = moved(batch, objective)
    for rows in (6, 1000):
        _, got, values = in_runs(objective, given, rows)
        assert close([gradient.cpu() for gradient in got], wanted) and np.isfinite(values["loss"])


@pytest.mark.wide(1)
@pytest.mark.parametrize("within", [False, True])
def test_soft_caps_places_and_supports_go_through_the_kernels(within: bool) -> None:
    """The cap before the support, in every group of rows."""
    rng = np.random.default_rng(3)
    order = torch.randperm(TOKENS + 9, generator=torch.Generator().manual_seed(1))[:TOKENS]

    def shaped(entry: Rows) -> Rows:
        assert entry.hidden is not None
        hidden = torch.randn(TOKENS + 9, entry.hidden.shape[1], generator=torch.Generator().manual_seed(2))
        inside = rng.random((TOKENS, VOCABULARY)) < 0.1
        inside[np.arange(TOKENS), entry.targets.numpy()] = True
        support = Support.of(inside) if within else None
        return replace(entry, hidden=hidden.requires_grad_(), places=order, softcap=2.5, support=support)

    batch = replace(ragged("token"), rows={key: shaped(entry) for key, entry in ragged("token").rows.items()})
    assert close(found(on_triton("token"), batch), gradients(reference("token"), batch))


@pytest.mark.slow
@pytest.mark.parametrize("logits", ["float32", "weight"])
@pytest.mark.parametrize("name", ["token", "sample"])
def test_bf16_projections_round_their_gradients_alone(name: str, logits: str) -> None:
    """With float32 logits; those in the dtype of the projection are rounded themselves, to one part in 256."""
    def narrow(given: torch.Tensor | None) -> torch.Tensor:
        assert given is not None
        return given.detach().bfloat16().requires_grad_()

    plain = ragged(name)
    batch = replace(plain, rows={key: replace(entry, hidden=narrow(entry.hidden), weight=narrow(entry.weight))
                                 for key, entry in plain.rows.items()})
    wanted = gradients(reference(name), batch)
    allowed = 3 * 2.0**-8 if logits == "float32" else 2.0**-4
    for got, exactly in zip(found(on_triton(name, replace(SMALL, logits=logits)), batch), wanted, strict=True):
        assert got.dtype is torch.bfloat16
        assert float((got.double() - exactly.double()).abs().max()) <= allowed * float(exactly.double().abs().max())


@pytest.mark.parametrize("name", ["token", pytest.param("exact", marks=pytest.mark.slow)])
def test_logits_of_a_few_rows_at_a_time_give_the_gradient_of_all(name: str) -> None:
    """Chunks of 15 and 14 tokens keep their bf16 gradients; float32 logits of four of them give way to those of the next four."""
    plain = ragged(name)
    narrow = next(iter(plain.rows.values())).weight
    assert narrow is not None
    weight = narrow.detach().bfloat16().requires_grad_()
    batch = replace(plain, rows={key: replace(entry, hidden=entry.hidden.detach().bfloat16().requires_grad_(), weight=weight)  # type: ignore[union-attr]
                                 for key, entry in plain.rows.items()})
    policies = 1 + len(next(iter(batch.rows.values())).others)
    bytes_each = 320 * (15 * 2 + 4 * 4 * policies)
    objective = on_triton(name, TritonOptions(chunk_bytes=bytes_each, least_rows=1, block_rows=4))
    wanted = gradients(reference(name), batch)
    for got, exactly in zip(found(objective, batch), wanted, strict=True):
        assert float((got.double() - exactly.double()).abs().max()) <= 0.02 * float(exactly.double().abs().max())
    assert isinstance(objective.runner, TritonBackend)
    with objective.runner.workspaces.lend() as workspace:
        assert 0 < workspace.bytes - bytes_each <= 15 * (4 * 16 + 8 * 4)  # gradients by hidden states, and statistics


def test_a_vocabulary_of_one_is_certain() -> None:
    batch, objective = ragged("token", vocabulary=1), on_triton("token")
    given = moved(batch, objective)
    update = objective.batch(batch.layout, batch.inputs)
    objective.loss(update, given.rows)[0].backward()
    assert all(not reads.any() for reads in update.reads.values())
    assert all(leaf.grad is not None and not leaf.grad.any() for leaf in given.leaves())


def test_values_that_the_model_gives_as_they_are_have_gradients() -> None:
    """(v - A)^2, averaged: 2 (v - A) / 43."""
    staged = compiled("value").staged
    objective = CompiledObjective(staged, "triton")
    layout = ragged("token").layout
    inputs = {given.name: np.ones(layout.size(given.axis.name)) for given in staged.inputs}
    value = torch.linspace(-2, 2, TOKENS, device=objective.runner.device, requires_grad=True)
    batch = objective.batch(layout, inputs)
    objective.piece(batch, objective.pieces(batch, rows=TOKENS).runs[0], {}, {staged.direct[0].key: value}).backward()
    assert value.grad is not None
    torch.testing.assert_close(value.grad.cpu(), 2 * (value.detach().cpu() - 1) / TOKENS, rtol=1e-6, atol=0)
    assert objective.finish(batch)["loss"] == pytest.approx(float(((value.detach().cpu().double() - 1) ** 2).mean()))


def test_token_coupled_objectives_read_weigh_and_write_in_one_kernel() -> None:
    alone = {}
    for name in NAMES:
        runner = on_triton(name).runner
        assert isinstance(runner, TritonBackend)
        alone[name] = [fused is not None for fused in runner.module.fused]
    assert alone == {"token": [True], "plain": [True], "exact": [True], "generalised": [True, True],
                     "sample": [False], "prompt": [False], "batch": [False], "pairs": [False, False]}


def test_a_program_is_compiled_for_triton_by_its_name() -> None:
    objective = Program(program("token").spec, "triton").objective()
    assert isinstance(objective.runner, TritonBackend) and objective.backend == "triton"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["token", "sample", "exact"])
def test_what_is_emitted_is_certified(name: str) -> None:
    report = certify(on_triton(name), seed=1)
    assert report.passed and report.backend == "triton", str(report)
    assert {"by logits (logits)", "by weight (hidden, cut)"} <= {entry.quantity for entry in report.comparisons}


@pytest.mark.wide(1)
@pytest.mark.parametrize("given", ["hidden", "logits"])
def test_tokens_are_scored_on_the_device_too(given: str) -> None:
    """The numbers of the numba kernels, beside another policy, through a soft cap."""
    plain = ragged("exact") if given == "hidden" else as_logits(ragged("exact"))
    entry = replace(next(iter(plain.rows.values())), softcap=2.5)
    kinds = [ReadKind.LOGP, ReadKind.ENTROPY, ReadKind.KL, ReadKind.JS]
    wanted = score_rows(kinds, entry, temperature=0.7, weight=0.3)
    reads = tuple(RowRead(kind.value, 0 if kind in (ReadKind.KL, ReadKind.JS) else None,
                          parameter=0.3 if kind is ReadKind.JS else None) for kind in kinds)
    device = on_triton("exact").runner.device
    found = score_on_device(RowShape(reads, 1), _moved(entry, device, {}), 0.7, 1 << 20)
    for kind, numbers in zip(kinds, found, strict=True):
        np.testing.assert_allclose(numbers, wanted[kind], rtol=2e-6, atol=2e-6)


def test_buffers_made_in_inference_mode_serve_an_update_outside_of_it() -> None:
    batch, objective = ragged("sample"), on_triton("sample")
    given = moved(batch, objective)
    with torch.inference_mode():
        looked = objective.batch(given.layout, given.inputs)
        objective.loss(looked, given.rows)
    assert close([gradient.cpu() for gradient in gradients(objective, given)], gradients(reference("sample"), batch))
