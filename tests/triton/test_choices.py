"""What the back end chooses on a device: what is given, else what was measured there, else what the model says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rldsl import triton_choice, triton_tuning
from rldsl.kernels.rows import Rows
from rldsl.plan.machines import machine_for
from rldsl.plan.search import kept_tile, search
from rldsl.plan.tiles import Tile
from rldsl.program import CompiledObjective
from rldsl.triton_backend import TritonBackend
from rldsl.triton_choice import Choice, Question, Spilled, choose, situation_of
from rldsl.triton_module import TritonOptions
from tests.head.objectives import compiled

H200 = torch.device("cuda", 0)
HIDDEN = Question(0, 151_936, 4096, torch.float32, torch.bfloat16, False)
LOGITS = Question(0, 151_936, None, torch.bfloat16, torch.bfloat16, False)


@pytest.fixture(autouse=True)
def beside_an_h200(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whose name alone is asked for."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path))


def fits(question: Question, tile: Tile) -> int:
    """Nothing spills."""
    return 0


def chosen(question: Question, options: TritonOptions | None = None, spilled: Spilled = fits) -> Choice:
    """For the token-coupled objective."""
    return choose(compiled("token").staged, "text", question, H200, options or TritonOptions(), spilled)


def test_a_chunk_is_what_the_model_of_the_device_says() -> None:
    """Gradients of 1,024 rows at least and logits of 512; at most a twentieth of eager torch, of which 20 bytes a logit less
    gradients are (24.9 - 1.31 GB) / 20."""
    found = chosen(HIDDEN)
    assert found.chunk_bytes is not None and (1024 * 2 + 512 * 4) * 151_936 <= found.chunk_bytes <= 1.179e9
    assert found.block_rows is not None and found.block_rows >= 512
    assert "within 1.18 GB, 2.5% of the device, or a twentieth of what eager torch takes, 20 bytes a logit" in found.why
    assert (chosen(LOGITS).chunk_bytes, chosen(LOGITS).block_rows) == (None, None)


def test_logits_in_the_dtype_of_the_projection_lie_under_their_gradient() -> None:
    """Two bytes a logit, all rows of a chunk at once."""
    found = chosen(replace(HIDDEN, logits=torch.bfloat16))
    assert found.chunk_bytes is not None and found.chunk_bytes % (2 * 151_936) == 0
    assert found.block_rows == found.chunk_bytes // (2 * 151_936)


def test_processes_that_share_a_vocabulary_keep_all_logits_of_a_chunk() -> None:
    found = chosen(replace(HIDDEN, sharded=True))
    assert found.chunk_bytes == 6 * 151_936 * (found.block_rows or 0)


def test_what_is_given_goes_before_what_was_measured_and_that_before_the_model() -> None:
    predicted = chosen(LOGITS)
    other = Tile(2048, 8, 3)
    assert predicted.tile != other.shape
    search(situation_of("text", LOGITS, H200), [other], lambda tile: 1e-3)
    measured = chosen(LOGITS)
    assert measured.tile == other.shape and measured.why == ("measured on NVIDIA H200: 1.000 ms, the fastest of 1 tiles",)
    assert chosen(HIDDEN).tile == chosen(HIDDEN).tile != other.shape
    given = chosen(HIDDEN, TritonOptions(tile=(512, 4, 1), chunk_bytes=1 << 20))
    assert (given.tile, given.chunk_bytes, given.block_rows) == ((512, 4, 1), 1 << 20, 512)
    assert given.why[0] == "the tile is given"
    assert chosen(HIDDEN, TritonOptions(block_rows=700)).block_rows == 700


def test_a_tile_that_spills_gives_way_to_the_next_and_the_choice_says_so() -> None:
    """The first by prediction has 32 warps, each thread of which has 64 registers."""
    asked: list[Tile] = []

    def spilled(question: Question, tile: Tile) -> int:
        assert question == LOGITS
        asked.append(tile)
        return 24 if tile.warps == 32 else 0

    found = chosen(LOGITS, spilled=spilled)
    assert asked[0].shape == (16_384, 32, 1) and found.tile == asked[-1].shape and found.tile[1] < 32
    assert "16,384 columns by 32 warps would be faster by prediction, but its kernels spill 24 bytes a thread" in found.why
    assert any(f"steps of {found.tile[0]:,}" in sentence for sentence in found.why)
    before = len(asked)
    assert chosen(LOGITS, spilled=spilled) == found and len(asked) == before  # kept for other processes too
    chosen(LOGITS, TritonOptions(tile=(512, 4, 1)), spilled)
    search(situation_of("text", LOGITS, H200), [Tile(1024, 4, 1)], lambda tile: 1e-3)
    assert chosen(LOGITS, spilled=spilled).tile == (1024, 4, 1) and len(asked) == before  # given or measured: not asked


def test_a_device_without_a_name_is_that_of_its_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA something new")
    for capability, target in (((8, 6), "sm_80"), ((9, 0), "sm_90"), ((12, 0), "sm_100")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert triton_choice.machine_of(H200).target == target


def test_a_choice_does_not_depend_on_the_number_of_tokens() -> None:
    weight = torch.zeros(7, 4, dtype=torch.bfloat16)
    few, many = (Rows(torch.zeros(count, dtype=torch.int64), weight[:1].expand(count, 4), weight) for count in (1, 9))
    assert Question.of(0, few, True) == Question.of(0, many, True) == \
        Question(0, 7, 4, torch.float32, torch.bfloat16, True)
    assert Question.of(0, many, False).logits is torch.bfloat16
    assert Question.of(0, Rows(many.targets, many.hidden.half(), weight.half()), True).gradient is torch.float32  # type: ignore[union-attr]


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", ["token", "exact"])
def test_tuning_runs_each_candidate_on_random_rows_and_keeps_the_fastest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that says that the second tile is the fastest. Interpreted: the device is a name."""
    pytest.importorskip("triton", reason="Triton is not installed")
    objective = CompiledObjective(compiled(name).staged, "triton")
    monkeypatch.setattr(triton_choice, "machine_of", lambda device: machine_for("sm_90"))
    monkeypatch.setattr(triton_tuning, "machine_of", lambda device: machine_for("sm_90"))
    times = iter([3e-3, 1e-3, 2e-3, 4e-3, 5e-3, 6e-3])

    def clock(call: Callable[[], None]) -> float:
        call()
        return next(times)

    rows = {group.rows: Rows(torch.zeros(1, dtype=torch.int64), logits=torch.zeros(1, 700)) for group in objective.staged.groups}
    measured = triton_tuning.tune(objective, rows, tokens=3, clock=clock)[0]
    assert measured is not None and len(measured.seconds) >= 2 and min(measured.seconds.values()) == 1e-3
    assert isinstance(objective.runner, TritonBackend)
    question = Question.of(0, next(iter(rows.values())), True)
    kept = kept_tile(situation_of(objective.runner.digest, question, objective.runner.device))
    assert kept is not None and kept.shape == measured.tile.shape == next(iter(measured.seconds))


def test_tiles_of_another_back_end_are_not_tuned() -> None:
    with pytest.raises(ValueError, match="compiled for `numba`"):
        triton_tuning.tune(compiled("token"), {})
