"""Peak memory beyond the gradients, counted: eager torch by its allocations, ours by its buffers."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from benchmarks.gpu.memory import SCALE, counted, eager_bytes, ours_bytes, peak_bytes
from benchmarks.gpu.predicted import machine_of, plans_of
from rldsl.emit.triton.load import interprets
from rldsl.plan.chunks import EAGER
from rldsl.plan.work import Sizes

H200 = machine_of("NVIDIA H200")
WIDE, NARROW = Sizes(8192, 128_256, 4096), Sizes(8192, 151_936, 1536)


def test_what_is_held_at_a_time_is_counted() -> None:
    """4,000 bytes; of 8,000 more half is freed before 2,000 come."""
    def call() -> tuple[torch.Tensor, ...]:
        kept = torch.zeros(1000)
        dropped, other = torch.zeros(1000), torch.zeros(1000)
        del dropped
        return kept, other, torch.zeros(500)

    assert peak_bytes(call)[0] == pytest.approx(12_000, abs=200)


@pytest.mark.parametrize(("name", "bytes_each"), [("token", 20), ("plain", 12), ("gspo", 12), ("kl", 24), ("js", 40)])
def test_eager_torch_holds_so_many_bytes_for_each_logit(name: str, bytes_each: int) -> None:
    """At its peak, less its gradients in bf16. Of the full objective: softmax and its exponential for the way back, and three
    gradients of that size."""
    assert WIDE.hidden is not None
    logits = WIDE.tokens * WIDE.vocabulary
    gradients = 2 * WIDE.hidden * (WIDE.tokens + WIDE.vocabulary)
    assert eager_bytes(name, WIDE) == pytest.approx(bytes_each * logits - gradients, rel=1e-3)
    assert WIDE.tokens % SCALE == WIDE.hidden % SCALE == WIDE.vocabulary % SCALE == 0
    assert bytes_each == EAGER[0] or name != "token"


@pytest.mark.parametrize(("sizes", "ratio"), [(WIDE, 22.4), (NARROW, 21.1)])
def test_ours_takes_less_than_a_twentieth_of_eager_torch(sizes: Sizes, ratio: float) -> None:
    found = counted("token", sizes, H200)
    assert found.ratio == pytest.approx(ratio, abs=0.1) and found.ratio >= 20
    assert f"{ratio} times less" in str(found)


def test_a_chunk_of_whole_samples_takes_more_than_a_twentieth() -> None:
    """All logits of a chunk wait for the last: six bytes each, and eager torch has twelve."""
    found = counted("gspo", WIDE, H200)
    assert found.ours == 2048 * (6 * 128_256 + 4 * 4096)
    assert found.ratio == pytest.approx(7.1, abs=0.1)


@pytest.mark.skipif(not interprets(), reason="compares buffers of tiny rows, interpreted")
@pytest.mark.parametrize("name", ["token", "gspo"])
def test_the_buffers_of_an_update_are_those_that_are_counted(name: str) -> None:
    """A chunk and its block `SCALE` times shorter, of rows that are too: beside the buffers, two or three float64 numbers a row."""
    from benchmarks.gpu import ours
    from benchmarks.gpu.place import Place
    from benchmarks.gpu.problems import make_problem
    from benchmarks.gpu.specs import objective
    plan, _ = plans_of(name, WIDE, H200)[0]
    assert plan.chunk is not None and WIDE.hidden is not None
    rows, block = plan.chunk.rows // SCALE, plan.chunk.block // SCALE
    place = Place(torch.device("cpu"), True)
    hidden, vocabulary = WIDE.hidden // SCALE, 1024
    states, weight = place.normal(64, hidden, seed=8), place.normal(vocabulary, hidden, scale=0.1, seed=9).requires_grad_()
    problem = make_problem(place, 64, 8, lambda part: states[part] @ weight.detach().t(), per_sample=name == "gspo")
    size = vocabulary * (2 * rows + 4 * block)
    own = ours.from_hidden(objective(name, chunk_bytes=size, least_rows=1, block_rows=block), name, problem, states, weight)
    own()
    with own.objective.runner.workspaces.lend() as workspace:  # type: ignore[attr-defined]
        beside = workspace.bytes - size - 4 * hidden * rows
    assert 0 < beside <= 4 * 8 * block
    assert ours_bytes(name, WIDE, H200) == plan.chunk.size + 4 * WIDE.hidden * plan.chunk.rows
