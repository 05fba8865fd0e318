"""`rldsl explain --gpu` says what is chosen for a GPU and why, and what is predicted."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command, project, rldsl

__all__ = ["project", "rldsl"]


def test_what_is_chosen_for_a_gpu_is_said_with_its_reasons(rldsl: Command, project: Path) -> None:
    found = rldsl("explain", "mine.rl", "--gpu", "H200", "--hidden", "4096", "--vocabulary", "128256")
    assert found.status == 0
    lines = found.out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("on H200 (sm_90)"))
    said = [line.strip() for line in lines[start:]]
    assert "copies 4.30 TB/s, bf16 products 790 TFLOP/s" in said[0]
    assert "chunk: 2,048 rows, logits of 640 at a time, 0.85 GB" in said
    assert "tile: 4,096 columns, 8 warps, 1 stage" in said
    # 3 products of 2 * 8192 * 4096 * 128256 FLOPs at 790 TFLOP/s.
    assert said[-1].endswith("of the limit, 32.69 ms")
    assert sum("8.61 TFLOP" in line for line in said) == 3


def test_without_a_gpu_nothing_is_added(rldsl: Command, project: Path) -> None:
    plain = rldsl("explain", "mine.rl").out
    assert "predicted" not in plain
    assert rldsl("explain", "mine.rl", "--gpu", "a100").out.startswith(plain)


def test_an_unknown_gpu_is_told_the_known_ones(rldsl: Command, project: Path) -> None:
    found = rldsl("explain", "mine.rl", "--gpu", "V100")
    assert (found.status, found.out) == (2, "")
    assert found.err.splitlines() == ["error: no limits of the GPU `V100` are known", " why: those of A100, H200, H100, B200 are.",
                                      " fix: --gpu H200"]
