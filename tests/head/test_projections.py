"""Adapters on a projection and soft caps on logits, on the numba kernels and on the reference."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rldsl.graph.model import ReadKind
from rldsl.kernels import head
from rldsl.kernels.adapter import Adapter, Shard
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective
from rldsl.scoring import score_rows
from tests.head.objectives import Batch, as_logits, close, compiled, gradients, in_runs, ragged, reference

RANK, WIDTH, VOCABULARY, CAP = 3, 16, 300, 2.5


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks may have a single row, so that small tests cut as large batches do."""
    monkeypatch.setattr(head, "LEAST_ROWS", 1)


def adapted(batch: Batch, softcap: float | None = None) -> tuple[Batch, Adapter]:
    """The batch with one adapter on all its rows, and a soft cap."""
    drawn = torch.Generator().manual_seed(5)
    adapter = Adapter(torch.randn(RANK, WIDTH, generator=drawn).requires_grad_(),
                      torch.randn(VOCABULARY, RANK, generator=drawn).mul_(0.3).requires_grad_(), 0.5)
    rows = {key: replace(entry, adapter=adapter, softcap=softcap) for key, entry in batch.rows.items()}
    return Batch(batch.layout, batch.inputs, rows), adapter


def by_adapter(objective: CompiledObjective, batch: Batch, adapter: Adapter) -> list[torch.Tensor]:
    """All gradients, those of the adapter last."""
    adapter.down.grad = adapter.up.grad = None
    found = gradients(objective, batch)
    assert adapter.down.grad is not None and adapter.up.grad is not None
    return [*found, adapter.down.grad, adapter.up.grad]


@pytest.mark.parametrize("softcap", [None, CAP])
@pytest.mark.parametrize("name", ["token", "sample", "prompt", "batch", "exact"])
def test_adapters_and_soft_caps_have_the_gradients_of_the_reference(name: str, softcap: float | None) -> None:
    batch, adapter = adapted(ragged(name, bias=True), softcap)
    wanted = by_adapter(reference(name), batch, adapter)
    assert len(wanted) == len(batch.leaves()) + 2
    assert close(by_adapter(compiled(name), batch, adapter), wanted)
    small = CompiledObjective(compiled(name).staged, chunk_bytes=3 * 4 * VOCABULARY)
    assert close(by_adapter(small, batch, adapter), wanted)


def test_the_gradient_of_an_adapter_is_that_of_the_projection_it_changes() -> None:
    """W' = W + s B A: dB = s dW' A^T, dA = s B^T dW'."""
    batch, adapter = adapted(ragged("token"))
    (key, entry), = batch.rows.items()
    assert entry.weight is not None
    merged = (entry.weight + adapter.scale * adapter.up @ adapter.down).detach().requires_grad_()
    by_hidden, by_merged = gradients(compiled("token"), replace(batch, rows={key: replace(entry, weight=merged, adapter=None)}))
    found = by_adapter(compiled("token"), batch, adapter)
    wanted = [by_hidden, by_merged, adapter.scale * adapter.up.detach().t() @ by_merged,
              adapter.scale * by_merged @ adapter.down.detach().t()]
    assert close(found, wanted)


def test_an_adapter_on_a_frozen_projection_is_all_that_learns() -> None:
    batch, adapter = adapted(ragged("token"))
    (key, entry), = batch.rows.items()
    assert entry.weight is not None
    frozen = replace(entry, weight=entry.weight.detach())
    wanted = by_adapter(compiled("token"), batch, adapter)
    entry.weight.grad = None
    found = by_adapter(compiled("token"), replace(batch, rows={key: frozen}), adapter)
    assert entry.weight.grad is None and len(found) == 3
    assert close(found, [wanted[0], *wanted[2:]])


def test_a_second_update_begins_with_empty_sums_of_the_adapter() -> None:
    batch, adapter = adapted(ragged("sample"))
    first = [tensor.clone() for tensor in by_adapter(compiled("sample"), batch, adapter)]
    _, _, _ = in_runs(compiled("sample"), batch, 6)
    assert close(by_adapter(compiled("sample"), batch, adapter), first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_capped_logit_is_read_through_the_cap(dtype: torch.dtype) -> None:
    """Logits 8 tanh(x / 8) with x = 8 artanh(k / 8) are k: those of the row (0, 1, 3)."""
    plain = torch.tensor([[0.0, 8 * math.atanh(1 / 8), 8 * math.atanh(3 / 8)]]).to(dtype)
    rows = Rows(torch.tensor([1]), logits=plain, softcap=8.0)
    total = math.log(1 + math.e + math.exp(3))
    found = score_rows([ReadKind.LOGP, ReadKind.LOGZ], rows)
    assert found[ReadKind.LOGP] == pytest.approx([1 - total], abs=1e-6 if dtype is torch.float32 else 2e-2)
    assert found[ReadKind.LOGZ] == pytest.approx([total], abs=1e-6 if dtype is torch.float32 else 2e-2)
    assert plain[0, 1] == torch.tensor(8 * math.atanh(1 / 8)).to(dtype)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("name", ["token", "pairs", "exact"])
def test_soft_caps_on_logits_have_the_gradients_of_the_reference(name: str, in_place: bool) -> None:
    given = as_logits(ragged(name))
    batch = replace(given, rows={key: replace(entry, softcap=CAP) for key, entry in given.rows.items()})
    wanted = gradients(reference(name), batch)
    assert close(gradients(compiled(name), batch, in_place=in_place), wanted)


def test_what_is_no_adapter_no_cap_and_no_shard_is_said() -> None:
    hidden, weight, targets = torch.zeros(2, 4), torch.zeros(5, 4), torch.tensor([0, 4])
    with pytest.raises(ValueError, match=r"`down` \[rank, hidden\] and `up` \[vocabulary, rank\], not \(2, 4\) and \(5, 3\)"):
        Adapter(torch.zeros(2, 4), torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"the adapter changes a projection \(6, 4\), and this one is \(5, 4\)"):
        Rows(targets, hidden, weight, adapter=Adapter(torch.zeros(2, 4), torch.zeros(6, 2)))
    with pytest.raises(ValueError, match="these rows are logits: leave it out"):
        Rows(targets, logits=torch.zeros(2, 5), adapter=Adapter(torch.zeros(2, 4), torch.zeros(5, 2)))
    for cap in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="a soft cap is a positive number"):
            Rows(targets, hidden, weight, softcap=cap)
    with pytest.raises(ValueError, match=r"tokens 4 \.\. 8 lies outside of the 8"):
        Rows(targets, hidden, weight, shard=Shard(4, 8))
    with pytest.raises(ValueError, match=r"targets lie in 0 \.\. 8, not in 0 \.\. 9"):
        Rows(torch.tensor([0, 9]), hidden, weight, shard=Shard(4, 9))


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_a_shard_of_the_vocabulary_is_refused_where_rows_are_whole(backend: str) -> None:
    batch = ragged("token")
    rows = {key: replace(entry, shard=Shard(0, VOCABULARY)) for key, entry in batch.rows.items()}
    objective = compiled("token") if backend == "numba" else reference("token")
    with pytest.raises(ValueError, match="gather the projection, or compile with"):
        gradients(objective, replace(batch, rows=rows))
