"""A vocabulary that several processes hold between them: each has the gradients of one that holds it all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.kernels.adapter import Shard
from rldsl.kernels.device.shards import merged
from rldsl.program import CompiledObjective
from tests.head.objectives import close, compiled, gradients, reference
from tests.triton.sharded import VOCABULARY, whole_batch

NAMES = ["token", "sample", "batch", "exact"]


def test_parts_of_rows_merge_into_whole_rows() -> None:
    """e^0 + e^-1 on one process, e^2 on the other: relative to 2, and weighted with log2 of each."""
    log2_e = 1.4426950408889634
    first = [0.0, 1 + torch.e ** -1, -(torch.e ** -1) * log2_e, 0.0]
    second = [2.0, 1.0, 0.0, -torch.inf]
    found = merged(torch.tensor([[[first]], [[second]]], dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))
    low, lower = torch.e ** -2, torch.e ** -3
    wanted = [2.0, 1 + low + lower, -(2 * low + 3 * lower) * log2_e, 0.0]
    torch.testing.assert_close(found[0, 0], torch.tensor(wanted, dtype=torch.float64), rtol=1e-12, atol=0)
    nothing = torch.tensor([[[[-torch.inf, 0.0, 0.0, -torch.inf]]], [[second]]], dtype=torch.float64)
    torch.testing.assert_close(merged(nothing, torch.tensor(1.0, dtype=torch.float64))[0, 0], nothing[1, 0, 0])


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    """Of bias, soft cap and adapter too; at every coupling level, and beside a second policy."""
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen([sys.executable, "-m", "tests.triton.sharded", str(rank), "2", str(tmp_path), *NAMES],
                                cwd=Path(__file__).parents[2], env=environment) for rank in range(2)]
    assert [process.wait(timeout=280) for process in started] == [0, 0]
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for name in NAMES:
        batch, adapter = whole_batch(name)
        adapter.down.grad = adapter.up.grad = None
        by_hidden, by_weight, by_bias = gradients(reference(name), batch)
        wanted = {"hidden 0": by_hidden, "weight 0": by_weight, "bias 0": by_bias, "down": adapter.down.grad, "up": adapter.up.grad}
        for key in ("weight 0", "bias 0", "up"):
            assert close([torch.cat([part[name][key] for part in parts])], [wanted[key]]), (name, key)
        for key in ("hidden 0", "down"):
            for part in parts:
                assert close([part[name][key]], [wanted[key]]), (name, key)
            assert torch.equal(parts[0][name][key], parts[1][name][key])
        assert parts[0][name]["loss"] == parts[1][name]["loss"]


def test_a_shard_without_processes_to_speak_to_is_refused() -> None:
    batch, _ = whole_batch("token")
    rows = {key: replace(entry, shard=Shard(0, VOCABULARY)) for key, entry in batch.rows.items()}
    objective = CompiledObjective(compiled("token").staged, "triton")
    given = {key: replace(entry, adapter=None) for key, entry in rows.items()}
    with pytest.raises(ValueError, match="init_process_group"):
        gradients(objective, replace(batch, rows=given))
