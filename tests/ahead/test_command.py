"""`rldsl compile --target`: files, reports, exit codes, refusals; and every example for every target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rldsl.ahead import asked
from rldsl.ahead.asked import Asked
from rldsl.ahead.jobs import Job, Made, make
from rldsl.ahead.results import Compiled, Refused
from rldsl.emit.triton import emit_triton
from rldsl.passes import compile_objective
from rldsl.plan.machines import TARGETS, machine_for
from rldsl.plan.work import Sizes
from rldsl.reporting import check_path
from tests.cli.conftest import Command, project, rldsl

__all__ = ["project", "rldsl"]
ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.rl"))
METHODS = sorted(path.name for path in (ROOT / "examples" / "methods").glob("*.rl"))


# ------------------------------------------------------------------ the command
@pytest.mark.slow
def test_kernels_are_written_beside_the_emitted_text_and_reported(rldsl: Command, project: Path) -> None:
    found = rldsl("compile", "mine.rl", "--out", "k", "--target", "sm_90", "--vocabulary", "1000")
    assert found.status == 0, found.out + found.err
    folder = project / "k" / "pg_triton" / "sm_90"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    names = [kernel["name"] for kernel in report["kernels"]]
    assert "fuse_rows0" in names and "values_1" in names
    for name in names:
        assert ".target sm_90" in (folder / f"{name}.ptx").read_text(encoding="utf-8")
        assert f".entry {name}(" in (folder / f"{name}.ptx").read_text(encoding="utf-8")
        assert (folder / f"{name}.cubin").read_bytes()[:4] == b"\x7fELF"
    fused = report["kernels"][names.index("fuse_rows0")]
    # Two sweeps of a row, each of 2 bytes a logit, and one write of it.
    usual = [loop for loop in fused["loops"] if not loop["is_aside"]]
    assert sum(loop["read"] for loop in usual) == 4 and sum(loop["written"] for loop in usual) == 2
    lines = found.out.splitlines()
    assert any(line.split()[:1] == ["fuse_rows0"] and "none" in line and "4 read, 2 written" in line for line in lines)
    assert any("predicted on H200" in line and "V = 1,000" in line for line in lines)
    assert lines[-1] == "wrote k/pg_triton/sm_90"


@pytest.mark.parametrize(("options", "title", "fix"), [
    (["--target", "sm_70"], "error: `sm_70` is no target", "--target sm_90"),
    (["--target", "sm_90", "--dtype", "fp8"], "error: logits are not `fp8`", "--dtype bf16"),
    (["--target", "sm_90", "--gpu", "TPU"], "error: no limits of the GPU `TPU` are known", "--gpu H200")])
def test_what_is_asked_wrongly_is_refused_before_anything_is_written(rldsl: Command, project: Path, options: list[str], title: str,
                                                                      fix: str) -> None:
    found = rldsl("compile", "mine.rl", "--out", "k", *options)
    first, why, last = found.err.splitlines()
    assert (found.status, first, last) == (2, title, f" fix: {fix}")
    assert why.startswith(" why: ")
    assert not (project / "k").exists()


@pytest.mark.parametrize("options", [["--gpu", "H100"], ["--hidden", "64"], ["--accept-spills"]])
def test_what_is_said_of_compiled_kernels_needs_a_target(rldsl: Command, project: Path, options: list[str]) -> None:
    found = rldsl("compile", "mine.rl", "--out", "k", *options)
    assert found.status == 2 and "--target sm_90" in found.err
    assert not (project / "k").exists()


def test_an_unknown_target_is_told_the_known_ones() -> None:
    fault = Asked(("sm_120",)).fault()
    assert fault is not None
    assert "sm_80 (A100), sm_90 (H200, H100), sm_100 (B200)" in fault


def test_without_triton_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "triton_version", lambda: None)
    assert (Asked(("sm_90",)).fault() or "").splitlines() == [
        "error: Triton is not installed", " why: it compiles the kernels, on machines with and without a GPU.",
        " fix: pip install 'rldsl[gpu]', on Linux"]


@pytest.mark.slow
def test_a_spill_is_an_error_unless_it_is_accepted(rldsl: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rldsl.ahead import jobs
    from rldsl.plan.tiles import Tile
    monkeypatch.setattr(jobs, "ranked", lambda *_: [(None, Tile(16_384, 2, 2))])  # 256 columns a thread
    found = rldsl("compile", "mine.rl", "--out", "k", "--target", "sm_90")
    assert found.status == 1
    assert "error: `fuse_rows0` of `pg` spills " in found.err and "--accept-spills" in found.err
    accepted = rldsl("compile", "mine.rl", "--out", "k", "--target", "sm_90", "--accept-spills")
    assert (accepted.status, accepted.err) == (0, "")


@pytest.mark.slow
def test_a_tile_that_spills_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    from rldsl.ahead import jobs
    from rldsl.plan.tiles import Tile
    monkeypatch.setattr(jobs, "ranked", lambda *_: [(None, Tile(16_384, 2, 2)), (None, Tile(2048, 4, 2))])
    made = compiled("grpo.rl", ("sm_90",))[0]
    assert made[0].tile == Tile(2048, 4, 2)
    assert not made[0].spills
    (shape, spilled), = made[0].passed
    assert shape == (16_384, 2, 2) and spilled > 0
    assert made[0].why == (f"16,384 columns by 2 warps would be faster by prediction, but its kernels spill {spilled:,} bytes a "
                           "thread",)


def test_a_machine_of_another_target_is_predicted_for_its_own() -> None:
    wanted = Asked(("sm_80", "sm_90"), machine="H100")
    assert [wanted.machine_of(target).name for target in wanted.targets] == ["A100", "H100"]


def test_logits_that_are_computed_are_float32_and_their_gradient_is_not() -> None:
    assert Asked(("sm_90",), "bf16", sizes=Sizes(hidden=64)).dtypes == ("fp32", "bf16")
    assert Asked(("sm_90",), "fp16").dtypes == ("fp16", "fp16")


# ------------------------------------------------------------------ every example, every target
def compiled(name: str, targets: tuple[str, ...], folder: str = "examples") -> list[tuple[Made, ...]]:
    """All kernels of all objectives of a spec."""
    result = check_path(ROOT / folder / name, {})
    spec = getattr(result, "spec", None)
    assert spec is not None
    staged = [compile_objective(spec, objective) for objective in spec.objectives]
    jobs = [Job(entry, emit_triton(entry, spec.sources), target, machine_for(target)) for target in targets for entry in staged]
    return make(jobs, Asked(targets))


def faults(made: list[tuple[Made, ...]]) -> list[str]:
    """What was refused, what spills, and what is loaded or stored in pieces below 16 bytes."""
    results = [result for job in made for several in job for result in several.results]
    refused = [f"{result.name} for {result.target}: {result.message}" for result in results if isinstance(result, Refused)]
    kernels = [result for result in results if isinstance(result, Compiled)]
    narrow = [kernel for kernel in kernels if kernel.name.startswith(("read", "write", "fuse", "partition", "compare"))
              and (kernel.traffic is None or kernel.traffic.widest != 16)]
    return refused + [f"{kernel.name} for {kernel.target} spills" for kernel in kernels if kernel.spills] + \
        [f"{kernel.name} for {kernel.target}: accesses of {kernel.traffic and kernel.traffic.widest} bytes" for kernel in narrow]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_compiles_for_every_target_without_a_spill(name: str) -> None:
    assert faults(compiled(name, TARGETS)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_method_compiles_for_hopper_without_a_spill(name: str) -> None:
    assert faults(compiled(name, ("sm_90",), "examples/methods")) == []


@pytest.mark.slow
def test_one_sweep_moves_what_the_model_says() -> None:
    # Coupled by samples: one kernel reads 2 bytes a logit, another reads and writes them again.
    made = compiled("gspo.rl", ("sm_90",))[0]
    kernels = {kernel.name: kernel.traffic for kernel in made[0].compiled}
    read, written = kernels["read_rows0"], kernels["write_rows0"]
    assert read is not None and (read.read, read.written) == (2, 0)
    assert written is not None and (written.read, written.written) == (2, 2)
    assert "fuse_rows0" not in kernels
