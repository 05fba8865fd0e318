"""What the Triton back end cannot do, in sentences that say what to do."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest
import torch

from rldsl import triton_backend
from rldsl.kernels.device import cuda
from rldsl.kernels.device.checks import Faults
from rldsl.kernels.rows import Rows
from rldsl.kernels.workspace import Workspace
from rldsl.program import CompiledObjective
from rldsl.triton_module import TritonOptions
from tests.head.objectives import compiled, gradients, ragged
from tests.triton.standin import standin


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in instead of what is emitted, on the CPU."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(triton_backend, "load_objective", standin)


def refused(rows: Rows) -> str:
    """What is said of the rows of the token-coupled objective."""
    objective = CompiledObjective(compiled("token").staged, "triton")
    batch = ragged("token")
    with pytest.raises(ValueError) as fault:
        gradients(objective, replace(batch, rows=dict.fromkeys(batch.rows, rows)))
    return str(fault.value)


def given() -> Rows:
    """The rows of the batch."""
    entry, = ragged("token").rows.values()
    return entry


def test_without_triton_the_other_back_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "triton" else found(name, *rest))
    with pytest.raises(RuntimeError, match=r"needs the package triton, which is not installed: `pip install "
                                           r"triton`, or take the back end `numba`"):
        CompiledObjective(compiled("token").staged, "triton")


def test_without_a_gpu_two_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError) as fault:
        CompiledObjective(compiled("token").staged, "triton")
    assert str(fault.value) == (
        "the Triton back end cannot run here: there is no CUDA device; take the back end `numba` (`--backend numba`, "
        "`backend=\"numba\"`), or set TRITON_INTERPRET=1 before Python starts, which interprets the kernels on the CPU "
        "(slow, for tests)")


def test_an_old_gpu_is_named_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (7, 0))
    said = r"Tesla V100 has compute capability 7\.0, and the kernels need 8\.0 \(an A100\) or newer"
    with pytest.raises(RuntimeError, match=said):
        TritonOptions().chosen_device()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (9, 0))
    assert cuda.unusable() is None
    monkeypatch.setattr(torch, "__version__", "2.9.1+cu128")
    assert cuda.unusable() == "torch 2.9.1+cu128 cannot add a product of bf16 matrices to a float32 one on a GPU, which 2.10 can"


@pytest.mark.parametrize(("interpret", "device", "sentence"), [
    ("1", "cuda:0", "the interpreter runs on the CPU, not on cuda:0: unset it"),
    ("0", "cpu", "run on a CUDA device, not on cpu: take the back end"),
])
def test_a_device_that_does_not_go_with_the_interpreter_is_refused(monkeypatch: pytest.MonkeyPatch, interpret: str, device: str,
                                                                   sentence: str) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", interpret)
    with pytest.raises(RuntimeError, match=sentence):
        TritonOptions(device=torch.device(device)).chosen_device()


def test_an_unknown_back_end_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="backend is `numba`, `triton` or `torch`, not `cuda`"):
        CompiledObjective(compiled("token").staged, "cuda")  # type: ignore[arg-type]


def test_tensors_elsewhere_are_named_with_where_they_belong() -> None:
    entry = given()
    assert entry.weight is not None
    assert refused(replace(entry, weight=entry.weight.detach().to("meta"))) == \
        "weight of `y` under `actor` is on meta, and the kernels run on cpu: move it, `.to(\"cpu\")`"


def test_a_dtype_that_is_not_served_is_named() -> None:
    entry = given()
    assert entry.hidden is not None and entry.weight is not None
    said = refused(replace(entry, hidden=entry.hidden.detach().double(), weight=entry.weight.detach().double()))
    assert said.startswith("hidden of `y` under `actor` is torch.float64, and the kernels take float32, bfloat16 or float16: ")


def test_hidden_states_are_not_rounded_to_a_narrower_projection() -> None:
    entry = given()
    assert entry.weight is not None
    assert refused(replace(entry, weight=entry.weight.detach().bfloat16())) == \
        ("hidden states of `y` under `actor` are torch.float32 and their projection is torch.bfloat16, which would round them: "
         "give both one dtype")


def test_rows_of_logits_lie_in_one_piece() -> None:
    entry = given()
    count, vocabulary = len(entry.targets), entry.vocabulary
    transposed = torch.zeros(vocabulary, count).t()
    assert refused(Rows(entry.targets, logits=transposed)) == \
        f"logits of `y` under `actor` have strides (1, {count}), and a row has to lie in one piece: hand over `.contiguous()`"
    overlapping = torch.zeros(1, vocabulary).expand(count, vocabulary)
    assert "rows of logits of `y` under `actor` overlap (strides (0, 1))" in refused(Rows(entry.targets, logits=overlapping))


@pytest.mark.slow
def test_rows_of_logits_may_have_any_distance() -> None:
    entry = given()
    assert entry.hidden is not None and entry.weight is not None
    logits = (entry.hidden @ entry.weight.t()).detach()
    wide = torch.full((len(logits), logits.shape[1] + 13), torch.nan)
    wide[:, :logits.shape[1]] = logits
    batch, objective = ragged("token"), CompiledObjective(compiled("token").staged, "triton")
    found = [gradients(objective, replace(batch, rows=dict.fromkeys(batch.rows, Rows(entry.targets, logits=each.requires_grad_()))))
             for each in (logits, wide[:, :logits.shape[1]])]
    assert torch.equal(found[0][0], found[1][0])


def test_memory_that_is_too_small_for_a_chunk_is_said_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(MemoryError, match=r"no memory on cpu for the logits of 0 of one chunk, 2\.00 GiB beside 0\.00 GiB of other "
                                          r"buffers: hand over fewer tokens at a time \(`pieces\(batch, rows=\.\.\.\)`\)"):
        Workspace().take("logits of 0", 1 << 19, 1 << 10)


def test_ids_on_a_device_are_looked_at_when_the_update_is_finished() -> None:
    """Nothing waits for it before, and kernels see ids that are there."""
    faults = Faults()
    assert torch.equal(faults.held("targets", torch.tensor([0, 7, -1]), 7), torch.tensor([0, 6, 0]))
    with pytest.raises(ValueError, match=r"targets lie in 0 \.\. 6, not in -1 \.\. 7; gradients of this update are wrong"):
        faults.check()
    faults.check()
    faults.held("targets", torch.tensor([0, 6]), 7)
    faults.check()


def test_rows_on_a_device_that_are_named_twice_are_found_at_the_end() -> None:
    """A tensor that says that it lies elsewhere stands for a device."""
    class Elsewhere(torch.Tensor):
        device = torch.device("cuda", 0)

    targets = torch.tensor([1, 2, 3]).as_subclass(Elsewhere)
    for places, twice in (([0, 2, 1], False), ([0, 2, 0], True)):
        rows = Rows(targets, logits=torch.zeros(4, 7), places=torch.tensor(places))
        faults = Faults()
        held = faults.within(rows)
        assert torch.equal(torch.Tensor(held.targets), torch.tensor([1.0, 2.0, 3.0])) and held.places is not None
        if twice:
            with pytest.raises(ValueError, match="a row is named 2 times in `places`; gradients of this update are wrong"):
                faults.check()
        else:
            faults.check()
