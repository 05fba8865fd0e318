"""Where a run goes: what the command says, what is there, and the sentences for what does not go together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from rldsl.kernels.device.cuda import use
from rldsl.rollouts import placement
from rldsl.rollouts.placement import CPU, Placement
from rldsl.train.command import Asked
from rldsl.train.devices import Chosen, choose_device
from rldsl.train.outcome import RunError
from tests.train.specs import WHOLE, numbers_of, run, weights_of

GPU = torch.device("cuda", 0)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are compiled, not interpreted; there is no GPU."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def with_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two H200s, as torch tells of them; nothing is run on them."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (9, 0))
    monkeypatch.setattr(placement, "use", lambda device: None)
    monkeypatch.setattr(placement, "named", lambda device: "NVIDIA H200, 139 GiB")


@pytest.mark.usefixtures("plain")
def test_without_a_gpu_a_run_is_what_it_was_and_says_nothing() -> None:
    assert choose_device() == Chosen(CPU, "numba", ()) == Chosen()


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(("asked", "said"), [
    ({"device": "cuda"}, r"`--device cuda`: there is no CUDA device here.*write `--device cpu`"),
    ({"device": "gpu"}, "there is no device `gpu`; write `--device cpu`, `--device cuda` or `--device cuda:1`"),
    ({"backend": "triton"}, "the Triton back end cannot run here: there is no CUDA device"),
    ({"backend": "jax"}, "there is no back end `jax`"),
    ({"dtype": "fp8"}, "there is no number format `fp8`; write `--dtype bf16` or `--dtype fp32`"),
])
def test_what_is_not_there_is_refused(asked: dict[str, str], said: str) -> None:
    with pytest.raises(RunError, match=said):
        choose_device(**asked)


@pytest.mark.usefixtures("with_gpus")
@pytest.mark.parametrize(("asked", "found"), [
    ({}, (GPU, torch.bfloat16, "triton")),
    ({"device": "cuda:1"}, (torch.device("cuda", 1), torch.bfloat16, "triton")),
    ({"dtype": "fp32"}, (GPU, torch.float32, "triton")),
    ({"device": "cpu"}, (torch.device("cpu"), torch.float32, "numba")),
    ({"backend": "numba"}, (torch.device("cpu"), torch.float32, "numba")),
    ({"backend": "torch"}, (torch.device("cpu"), torch.float32, "torch")),
])
def test_a_gpu_is_taken_where_there_is_one(asked: dict[str, str], found: tuple[torch.device, torch.dtype, str]) -> None:
    chosen = choose_device(**asked)
    assert (chosen.placement.device, chosen.placement.dtype, chosen.backend) == found


@pytest.mark.usefixtures("with_gpus")
def test_on_a_gpu_attention_is_never_that_of_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2.11 and newer it has wrong gradients and answers where there is a mask."""
    used: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", used.append)
    monkeypatch.setattr(placement, "use", use)
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        torch.backends.cuda.enable_cudnn_sdp(True)
        placement.choose("cpu")
        assert torch.backends.cuda.cudnn_sdp_enabled() and not used
        placement.choose("cuda:1")
        assert not torch.backends.cuda.cudnn_sdp_enabled() and used == [torch.device("cuda", 1)]
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


@pytest.mark.usefixtures("with_gpus")
def test_a_run_on_a_gpu_says_so_first() -> None:
    where = "runs on cuda:0 (NVIDIA H200, 139 GiB), models in bf16, trained weights in fp32 beside"
    assert choose_device().notes == (f"{where}, objectives by triton; `--device cpu` takes the CPU",)
    assert choose_device("cuda:1", "fp32").notes == ("runs on cuda:1 (NVIDIA H200, 139 GiB), models in fp32, objectives by triton",)
    assert choose_device("cpu").notes == ()


@pytest.mark.usefixtures("with_gpus")
@pytest.mark.parametrize(("device", "backend", "said"), [
    ("cuda", "numba", "the back end `numba` runs on the CPU, not on cuda:0: write `--backend triton`, or `--device cpu`"),
    ("cuda:2", None, "`--device cuda:2`: there are 2 here, `cuda:0` to `cuda:1`"),
])
def test_what_does_not_go_together_is_refused(device: str, backend: str | None, said: str) -> None:
    with pytest.raises(RunError, match=said):
        choose_device(device, None, backend)


@pytest.mark.usefixtures("with_gpus")
def test_an_old_gpu_is_not_taken_and_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Tesla V100")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: (7, 0))
    chosen = choose_device()
    assert (chosen.placement, chosen.backend) == (CPU, "numba")
    old = "Tesla V100 has compute capability 7.0, and the kernels need 8.0 (an A100) or newer"
    assert chosen.notes == (f"runs on the CPU, models in fp32, objectives by numba: {old}",)
    with pytest.raises(RunError, match=re.escape(f"`--device cuda:0`: {old}")):
        choose_device("cuda:0")


@pytest.mark.parametrize(("asked", "said"), [
    (Asked(), None), (Asked("cuda:1", "bf16", "triton"), None), (Asked("cpu", "fp32", "torch"), None),
    (Asked("cuda:"), "`--device cuda:1`"), (Asked(dtype="fp16"), "`--dtype bf16` or `--dtype fp32`"),
    (Asked(backend="cuda"), "`--backend numba`, `--backend triton` or `--backend torch`"),
])
def test_words_that_the_command_does_not_know_are_refused_before_anything_loads(asked: Asked, said: str | None) -> None:
    assert asked.fault is None if said is None else said in (asked.fault or "")


@pytest.mark.slow
def test_a_run_by_triton_trains_as_one_by_numba(tmp_path: Path) -> None:
    """Under the interpreter: the same rollouts, losses, metrics and weights, to rounding."""
    pytest.importorskip("triton")
    text = WHOLE.replace("repeat 4", "repeat 2")
    run(text, tmp_path, out="numba")
    run(text, tmp_path, out="triton", chosen=Chosen(backend="triton"))
    for one, other in zip(numbers_of(tmp_path / "numba"), numbers_of(tmp_path / "triton"), strict=True):
        assert one.keys() == other.keys()
        numbers = [name for name, value in one.items() if isinstance(value, float)]
        assert [other[name] for name in numbers] == pytest.approx([one[name] for name in numbers], rel=1e-4, abs=1e-5)
    assert weights_of(tmp_path / "numba").keys() == weights_of(tmp_path / "triton").keys()


def test_a_run_goes_on_by_other_kernels_only_on_another_device(tmp_path: Path) -> None:
    run(WHOLE, tmp_path, stop_after=1)
    with pytest.raises(RunError, match="it began with `--backend numba`"):
        run(WHOLE, tmp_path, resume=True, backend="torch")
    elsewhere = Chosen(Placement(GPU, torch.float32), "triton")
    from rldsl.train.fingerprint import fingerprint
    from rldsl.train.runner import _check_folder
    from tests.train.specs import project_of, spec_of
    _check_folder(tmp_path / "run", True, fingerprint(spec_of(WHOLE, project_of(tmp_path / "project"))), 0, elsewhere)
