"""The same question put to CUDA itself, on a GPU: it refuses what would stop the host, but for the events that masks come with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.emit.triton.load import interprets
from rldsl.kernels.rows import Rows
from rldsl.kernels.supports import Support
from rldsl.program import CompiledObjective
from rldsl.triton_module import TritonOptions
from tests.head.objectives import Batch, as_logits, compiled, ragged
from tests.triton.test_triton_backend import moved
from tests.triton.test_waits import exactly, formed

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(interprets(), reason="asks CUDA, which is not here"),
              pytest.mark.filterwarnings("ignore:Synchronization debug mode")]

SMALL = TritonOptions(chunk_bytes=9 * 4 * 320, least_rows=3)


@contextmanager
def refused() -> Iterator[None]:
    """Looks at numbers, copies that are waited for, sizes that only the device knows: each is a RuntimeError meanwhile."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def within(batch: Batch) -> Batch:
    """Each row restricted to a tenth of the vocabulary."""
    rng = np.random.default_rng(3)

    def restricted(entry: Rows) -> Rows:
        inside = rng.random((len(entry.targets), 300)) < 0.1
        inside[np.arange(len(entry.targets)), entry.targets.numpy()] = True
        return replace(entry, support=Support.of(inside))

    return replace(batch, rows={key: restricted(entry) for key, entry in batch.rows.items()})


@pytest.mark.wide(6)
@pytest.mark.parametrize("given", ["hidden", "logits", "support"])
@pytest.mark.parametrize("name", ["plain", "sample", "batch"])
def test_cuda_finds_no_wait_but_that_for_masks(name: str, given: str) -> None:
    """The second time: the first one compiles kernels and takes memory."""
    batch = as_logits(ragged(name)) if given == "logits" else ragged(name)
    batch = within(batch) if given == "support" else batch
    objective = CompiledObjective(compiled(name).staged, "triton", options=SMALL)
    there = moved(batch, objective)
    formed(objective, there)
    with refused():
        found = formed(objective, there)
    assert exactly(name, batch, [gradient.cpu() for gradient in found])


def test_a_look_at_a_number_is_refused() -> None:
    """The watch itself."""
    number = torch.ones((), device="cuda")
    with refused(), pytest.raises(RuntimeError, match="synchronizing"):
        number.item()
