"""The device head with row kernels in plain torch: schedules, chunks, products, memory; against float64 autograd."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from rldsl import triton_backend
from rldsl.kernels.adapter import Adapter
from rldsl.kernels.device import products, projection
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.kernels.supports import Support
from rldsl.program import CompiledObjective
from rldsl.triton_backend import TritonBackend
from rldsl.triton_module import TritonOptions
from tests.head.objectives import Batch, as_logits, close, compiled, gradients, in_runs, ragged, reference
from tests.triton.counting import Counting
from tests.triton.standin import standin

NAMES = ["token", "plain", "sample", "prompt", "batch", "pairs", "exact", "generalised"]
VOCABULARY, WIDTH, TOKENS = 300, 16, 43
COLUMNS = 320  # of a buffer: rows begin at multiples of 64
SMALL = TritonOptions(chunk_bytes=7 * 4 * COLUMNS, least_rows=3)


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in instead of what is emitted, on the CPU."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(triton_backend, "load_objective", standin)


def on_device(name: str, options: TritonOptions = SMALL) -> CompiledObjective:
    """An objective on the device head."""
    return CompiledObjective(compiled(name).staged, "triton", options=options)


def changed(batch: Batch, change: Callable[[Rows], Rows]) -> Batch:
    """The batch with other rows."""
    return replace(batch, rows={key: change(entry) for key, entry in batch.rows.items()})


# ------------------------------------------------------------------ equality
@pytest.mark.wide(1)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_those_of_the_reference(name: str) -> None:
    """From hidden states, weight and bias, in chunks of a few rows."""
    batch = ragged(name, bias=True)
    wanted = gradients(reference(name), batch, scale=-3.0)
    assert len(wanted) == len(batch.leaves())
    assert close(gradients(on_device(name), batch, scale=-3.0), wanted)
    losses = [objective.loss(objective.batch(batch.layout, batch.inputs), batch.rows)[1] for objective in
              (on_device(name), reference(name))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5, abs=1e-7)


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "generalised"])
def test_logits_become_gradients_in_place_or_beside_them(name: str) -> None:
    batch = as_logits(ragged(name))
    wanted = gradients(reference(name), batch)
    before = [leaf.detach().clone() for leaf in batch.leaves()]
    assert close(gradients(on_device(name), batch), wanted)
    assert all(torch.equal(leaf.detach(), kept) for leaf, kept in zip(batch.leaves(), before, strict=True))
    assert close(gradients(on_device(name), batch, in_place=True), wanted)
    assert all(leaf.grad is not None and leaf.grad.data_ptr() == leaf.data_ptr() for leaf in batch.leaves())


@pytest.mark.parametrize("rows", [1, 2, 5, 100])
@pytest.mark.parametrize("name", NAMES)
def test_chunks_of_any_size_give_the_same_gradient(name: str, rows: int) -> None:
    """Up to the rounding of GEMMs of other shapes."""
    batch = ragged(name)
    found = gradients(on_device(name, TritonOptions(chunk_bytes=rows * 4 * COLUMNS, least_rows=1)), batch)
    assert close(found, gradients(on_device(name), batch))


@pytest.mark.parametrize("name", ["token", "sample", "prompt", "batch", "pairs"])
def test_runs_of_any_size_give_the_same_gradient(name: str) -> None:
    batch = ragged(name)
    wanted = gradients(on_device(name), batch)
    for rows in (1, 6, 15, 1000):
        passes, found, values = in_runs(on_device(name), batch, rows)
        assert close(found, wanted) and np.isfinite(values["loss"])
        assert passes == (2 if rows < {"batch": 1000, "prompt": 19}.get(name, 0) else 1)


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", ["token", "sample", "batch", "exact"])
def test_adapters_and_soft_caps_are_those_of_the_reference(name: str) -> None:
    drawn = torch.Generator().manual_seed(5)
    adapter = Adapter(torch.randn(3, WIDTH, generator=drawn).requires_grad_(),
                      torch.randn(VOCABULARY, 3, generator=drawn).mul_(0.3).requires_grad_(), 0.5)
    batch = changed(ragged(name), lambda entry: replace(entry, adapter=adapter, softcap=2.5))

    def found(objective: CompiledObjective) -> list[torch.Tensor]:
        adapter.down.grad = adapter.up.grad = None
        by_rows = gradients(objective, batch)
        assert adapter.down.grad is not None and adapter.up.grad is not None
        return [*by_rows, adapter.down.grad, adapter.up.grad]

    wanted = found(reference(name))
    assert close(found(on_device(name)), wanted)


@pytest.mark.parametrize("softcap", [None, 2.5])
@pytest.mark.parametrize("given", ["hidden", "logits", "in place"])
@pytest.mark.parametrize("name", ["token", "batch"])
def test_a_support_restricts_rows_and_their_gradient(name: str, given: str, softcap: float | None) -> None:
    """The cap comes before the support, which no cap lifts; in a second pass, of some rows alone."""
    plain = ragged(name) if given == "hidden" else as_logits(ragged(name))
    rng = np.random.default_rng(3)

    def restricted(entry: Rows) -> Rows:
        inside = rng.random((len(entry.targets), VOCABULARY)) < 0.1
        inside[np.arange(len(entry.targets)), entry.targets.numpy()] = True
        return replace(entry, support=Support.of(inside), softcap=softcap)

    batch = changed(plain, restricted)
    wanted = gradients(reference(name), batch)
    assert close(gradients(on_device(name), batch, in_place=given == "in place"), wanted)


@pytest.mark.parametrize("given", ["hidden", "logits", "in place"])
@pytest.mark.parametrize("name", ["token", "sample", "exact", "batch"])
def test_places_say_which_rows_are_scored(name: str, given: str) -> None:
    """Rows at which nothing is scored have no gradient."""
    plain = ragged(name) if given == "hidden" else as_logits(ragged(name))
    order = torch.randperm(TOKENS + 20, generator=torch.Generator().manual_seed(1))[:TOKENS]

    def spread(tensor: torch.Tensor) -> torch.Tensor:
        rows = torch.randn(TOKENS + 20, tensor.shape[1], generator=torch.Generator().manual_seed(2))
        rows[order] = tensor.detach()
        return rows

    def placed(entry: Rows) -> Rows:
        others = {key: spread(other) if isinstance(other, torch.Tensor) else (spread(other[0]), other[1])
                  for key, other in entry.others.items()}
        return replace(entry, hidden=None if entry.hidden is None else spread(entry.hidden).requires_grad_(), places=order,
                       logits=None if entry.logits is None else spread(entry.logits).requires_grad_(), others=others)

    batch = changed(plain, placed)
    wanted = gradients(reference(name), batch)
    assert close(gradients(on_device(name), batch, in_place=given == "in place"), wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["token", "sample", "exact"])
def test_narrow_projections_round_what_they_must_and_no_more(name: str, dtype: torch.dtype) -> None:
    """Gradients by logits are bf16 beside bf16 weights, float32 beside fp16; sums over chunks are float32."""
    exact = changed(ragged(name), lambda entry: replace(entry, hidden=entry.hidden.to(dtype).detach().requires_grad_(),  # type: ignore[union-attr]
                                                        others={key: (other[0].to(dtype), other[1].to(dtype)) for key, other
                                                                in entry.others.items()}))
    weight = next(iter(exact.rows.values())).weight
    assert weight is not None
    narrow = weight.detach().to(dtype).requires_grad_()
    batch = changed(exact, lambda entry: replace(entry, weight=narrow))
    wanted = gradients(reference(name), batch)
    found = gradients(on_device(name), batch)
    roundings = 2.0**-8 if dtype is torch.bfloat16 else 2.0**-10
    for got, exactly in zip(found, wanted, strict=True):
        assert got.dtype is dtype
        assert float((got.double() - exactly.double()).abs().max()) <= 3 * roundings * float(exactly.double().abs().max())


def test_logits_in_the_dtype_of_the_projection_take_a_third_less() -> None:
    batch = changed(ragged("token"), lambda entry: replace(
        entry, hidden=entry.hidden.bfloat16().detach().requires_grad_(), weight=entry.weight.bfloat16().detach().requires_grad_()))  # type: ignore[union-attr]
    wanted = gradients(reference("token"), batch)
    held = {}
    for logits in ("float32", "weight"):
        objective = on_device("token", replace(SMALL, logits=logits, chunk_bytes=1 << 20))
        found = gradients(objective, batch)
        assert all(float((got.double() - exactly.double()).abs().max()) <= 2.0**-5 * float(exactly.double().abs().max())
                   for got, exactly in zip(found, wanted, strict=True))
        held[logits] = _workspace_bytes(objective) - TOKENS * (2 * 8 + 4 * WIDTH)
    assert held == {"float32": TOKENS * COLUMNS * 6, "weight": TOKENS * COLUMNS * 2}


def test_two_groups_share_one_projection() -> None:
    """Win and lose go through one tensor, whose gradient is the sum."""
    batch = ragged("pairs")
    weights = {id(entry.weight) for entry in batch.rows.values()}
    assert len(batch.rows) == 2 and len(weights) == 1
    found = gradients(on_device("pairs"), batch)
    assert len(found) == 3 and close(found, gradients(reference("pairs"), batch))


# ------------------------------------------------------------------ products
def _flops(objective: CompiledObjective, batch: Batch) -> float:
    """In units of THV."""
    with Counting() as counted:
        gradients(objective, batch)
    rows = sum(len(entry.targets) for entry in batch.rows.values())
    return counted.flops / (rows * WIDTH * VOCABULARY)


LARGE = TritonOptions(chunk_bytes=20 * 4 * COLUMNS, least_rows=3)


@pytest.mark.wide(1)
@pytest.mark.parametrize(("name", "active"), [("token", 43), ("sample", 43), ("prompt", 39), ("pairs", 21)])
def test_three_products_a_chunk_where_coefficients_are_known_inside_of_it(name: str, active: int) -> None:
    """The four tokens of a prompt with a single sample have nothing to be compared with."""
    batch = ragged(name)
    tokens = sum(len(entry.targets) for entry in batch.rows.values())
    assert _flops(on_device(name, LARGE), batch) == pytest.approx(2 + 4 * active / tokens)
    assert active == tokens or name == "prompt"


@pytest.mark.parametrize("name", ["token", "sample"])
def test_two_products_a_chunk_beside_a_frozen_projection(name: str) -> None:
    batch = changed(ragged(name), lambda entry: replace(entry, weight=entry.weight.detach()))  # type: ignore[union-attr]
    assert _flops(on_device(name, LARGE), batch) == 4


def test_two_products_a_chunk_beside_frozen_hidden_states() -> None:
    batch = changed(ragged("token"), lambda entry: replace(entry, hidden=entry.hidden.detach()))  # type: ignore[union-attr]
    assert _flops(on_device("token", LARGE), batch) == 4


def test_a_second_policy_is_one_product_more() -> None:
    assert _flops(on_device("exact", LARGE), ragged("exact")) == 8


def test_four_products_only_where_no_chunk_holds_a_piece() -> None:
    """A chunk of two rows may grow to eight, and there are answers of nine and twelve. The logits of the last chunk, of one row in
    43, still lie there when the second pass begins."""
    tiny = TritonOptions(chunk_bytes=2 * 4 * COLUMNS, least_rows=1)
    assert _flops(on_device("sample", tiny), ragged("sample")) == pytest.approx(8 - 2 / TOKENS)
    assert _flops(on_device("token", tiny), ragged("token")) == 6


@pytest.mark.parametrize("name", ["plain", "sample"])
def test_rows_without_gradient_leave_before_the_backward_products(name: str) -> None:
    """Of nine answers every second has an advantage of 0."""
    batch = ragged(name)
    advantage = next(key for key in batch.inputs if "logp" not in key)
    quiet = {**batch.inputs, advantage: np.where(np.arange(9) % 2 == 0, 0.0, batch.inputs[advantage])}
    batch = replace(batch, inputs=quiet)
    objective = on_device(name, LARGE)
    update = objective.batch(batch.layout, batch.inputs)
    objective.loss(update, batch.rows)
    active = sum(int((slopes != 0).sum()) for slopes in update.slopes.values())
    assert 0 < active < TOKENS
    assert _flops(objective, batch) == pytest.approx(2 + 4 * active / TOKENS)
    assert close(gradients(objective, batch), gradients(reference(name), batch))


def test_the_second_pass_computes_again_what_has_a_gradient_alone() -> None:
    """A live quantile keeps the tokens of the highest entropies. All 43 tokens are one piece, which a chunk of 28 cannot hold. The
    last chunk of the first pass, of tokens 37 to 42, lies there still."""
    batch, objective = ragged("batch"), on_device("batch")
    update = objective.batch(batch.layout, batch.inputs)
    objective.loss(update, batch.rows)
    active = np.any([slopes != 0 for slopes in update.slopes.values()], axis=0)
    assert 0 < active[37:].sum() < active[:37].sum() < TOKENS
    assert _flops(objective, batch) == pytest.approx(2 + (4 * active.sum() + 2 * active[:37].sum()) / TOKENS)


# ------------------------------------------------------------------ memory
def _workspace_bytes(objective: CompiledObjective) -> int:
    assert isinstance(objective.runner, TritonBackend)
    with objective.runner.workspaces.lend() as workspace:
        return workspace.bytes


@pytest.mark.parametrize("name", ["token", "sample", "batch"])
def test_no_more_memory_than_one_chunk(name: str) -> None:
    """Beside the chunk: two or three numbers a row, and copies of hidden states. Nothing that is made is larger than a chunk."""
    batch = ragged(name, repeat=20)
    budget = 80 * 4 * COLUMNS
    objective = on_device(name, TritonOptions(chunk_bytes=budget, least_rows=1))
    with Counting() as counted:
        gradients(objective, batch)
    assert 0.5 * budget < _workspace_bytes(objective) <= budget + 80 * (3 * 8 + 4 * WIDTH)
    assert counted.largest <= budget
    objective.release()
    assert _workspace_bytes(objective) == 0


@pytest.mark.parametrize("name", ["token", "exact"])
def test_logits_of_a_block_at_a_time_give_the_same_gradient_in_less_memory(name: str) -> None:
    """43 tokens in chunks of 22 and 21, logits of 5 at a time: their bf16 gradients alone are kept for all. Logits of a second
    policy pass too."""
    batch = changed(ragged(name), lambda entry: replace(
        entry, hidden=entry.hidden.bfloat16().detach().requires_grad_(), weight=entry.weight.bfloat16().detach().requires_grad_()))  # type: ignore[union-attr]
    logits = 4 * (1 + len(next(iter(batch.rows.values())).others))
    sizes = COLUMNS * 22 * (2 + logits), COLUMNS * (22 * 2 + 5 * logits)
    whole = on_device(name, TritonOptions(chunk_bytes=sizes[0], least_rows=1))
    by_blocks = on_device(name, TritonOptions(chunk_bytes=sizes[1], least_rows=1, block_rows=5))
    found, wanted = gradients(by_blocks, batch), gradients(whole, batch)
    assert all(float((ours.double() - theirs.double()).abs().max()) <= 2.0**-8 * float(theirs.double().abs().max())
               for ours, theirs in zip(found, wanted, strict=True))
    width = 2 if name == "token" else 4
    assert [_workspace_bytes(objective) - size for objective, size in zip((whole, by_blocks), sizes, strict=True)] == \
        [22 * (4 * WIDTH + 8 * width), 22 * 4 * WIDTH + 5 * 8 * width]
    assert _flops(by_blocks, batch) == pytest.approx(_flops(whole, batch))


def test_blocks_are_for_rows_that_nothing_waits_for() -> None:
    """Coupled by samples, or with a gradient over the logits (of float32, and of fp16 too), a chunk is kept whole."""
    for name in ("sample", "token"):
        plain, asked = on_device(name, LARGE), on_device(name, replace(LARGE, block_rows=2))
        batch = ragged(name)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(gradients(asked, batch), gradients(plain, batch), strict=True))
        assert _workspace_bytes(asked) == _workspace_bytes(plain)


def test_a_chunk_has_the_least_rows_whatever_its_budget() -> None:
    objective = on_device("token", TritonOptions(chunk_bytes=1, least_rows=30))
    gradients(objective, ragged("token"))
    assert _workspace_bytes(objective) == 22 * (4 * COLUMNS + 2 * 8)  # 43 tokens in two chunks, 21 and 22


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_of_buffers_are_aligned_whatever_the_vocabulary(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 301 tokens: tensor cores take operands at multiples of 16 bytes alone."""
    strides = []
    plain = products.add_product

    def noted(out: torch.Tensor, left: torch.Tensor, right: torch.Tensor, first: bool) -> None:
        strides.extend(entry.stride(0) if entry.stride(1) == 1 else entry.stride(1) for entry in (out, left, right)
                       if 301 in entry.shape and entry.shape[1 if entry.stride(1) == 1 else 0] == 301)
        plain(out, left, right, first)

    monkeypatch.setattr(products, "add_product", noted)
    monkeypatch.setattr(projection, "add_product", noted)
    batch = changed(ragged("sample", vocabulary=301), lambda entry: replace(
        entry, hidden=entry.hidden.to(dtype).detach().requires_grad_(), weight=entry.weight.to(dtype).detach().requires_grad_()))  # type: ignore[union-attr]
    gradients(on_device("sample"), batch)
    assert len(strides) >= 3 * 5 and set(strides) == {320}


# ------------------------------------------------------------------ extremes
def test_an_update_of_no_tokens_has_gradients_of_zeros() -> None:
    layout = Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                       {"problems": [1], "y.sample": [2], "y.token": [0, 0]})
    hidden, weight = torch.zeros(0, 4, requires_grad=True), torch.ones(7, 4, requires_grad=True)
    inputs = {given.name: np.ones(layout.size(given.axis.name)) for given in compiled("sample").staged.inputs}
    for name in ("token", "sample", "batch"):
        weight.grad = None
        inputs = {given.name: np.ones(layout.size(given.axis.name)) for given in compiled(name).staged.inputs}
        loss, _ = on_device(name).from_hidden(layout, inputs, hidden, weight, torch.zeros(0, dtype=torch.int64))
        loss.backward()
        assert hidden.grad is not None and hidden.grad.shape == (0, 4)
        assert weight.grad is not None and not weight.grad.any()


def test_a_vocabulary_of_one_is_certain() -> None:
    """log 1 = 0 and entropy 0, without a gradient."""
    batch = ragged("token", vocabulary=1)
    objective = on_device("token")
    update = objective.batch(batch.layout, batch.inputs)
    objective.loss(update, batch.rows)[0].backward()
    assert all(not reads.any() for reads in update.reads.values())
    assert all(leaf.grad is not None and not leaf.grad.any() for leaf in batch.leaves())


def test_what_is_seen_of_an_update_batch_are_copies_of_what_stands_now() -> None:
    batch, objective = ragged("sample"), on_device("sample")
    update = objective.batch(batch.layout, batch.inputs)
    key = next(iter(update.reads))
    assert not update.reads[key].any()
    objective.loss(update, batch.rows)
    assert update.reads[key].all() and update.reads[key] is update.reads[key]
    update.reads[key][:] = 7.0
    assert not (update.own.reads.tensors[key] == 7.0).any()
