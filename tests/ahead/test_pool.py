"""Kernels are compiled in child processes, for GPUs that are not there, and kept by content."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from rldsl.ahead import pool
from rldsl.ahead.pool import compile_all
from rldsl.ahead.results import CUBIN, PTX, Compiled, Refused
from rldsl.ahead.units import Unit

HEAD = "import triton\nimport triton.language as tl\n\n"
COPY = HEAD + """@triton.jit
def copy(x, y, n, BLOCK: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    for start in range(0, n, BLOCK):
        at = start + tl.arange(0, BLOCK)
        v = tl.load(x + row * n + at, mask=at < n, other=0.0).to(tl.float32)
        tl.store(y + row * n + at, v * 2.0, mask=at < n)
"""
HELD = HEAD + """@triton.jit
def held(x, n, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    v = tl.load(x + at, mask=at < n, other=0.0)
    t = tl.sum(v, 0)
    tl.debug_barrier()
    tl.store(x + at, v * t, mask=at < n)
"""


def unit(text: str, name: str, block: int, **changes: object) -> Unit:
    """Of a kernel of this file."""
    arguments = (("x", "*fp32"), ("y", "*bf16"), ("n", "i32")) if name == "copy" else (("x", "*fp32"), ("n", "i32"))
    plain = Unit(name, "sm_90", text, arguments, (("BLOCK", block),), 4, 1, tuple(entry for entry, _ in arguments), counts=True)
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_kernel_is_compiled_without_a_gpu_whatever_the_interpreter_is_set_to(tmp_path: Path,
                                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    asked = unit(COPY, "copy", 1024)
    found, again = compile_all([asked, asked], tmp_path)
    assert isinstance(found, Compiled) and found is again
    assert found.usage.registers > 0 and not found.spills
    assert ".target sm_90" in (tmp_path / asked.digest / PTX).read_text(encoding="utf-8")
    assert (tmp_path / asked.digest / CUBIN).read_bytes()[:4] == b"\x7fELF"
    traffic = found.traffic
    assert traffic is not None
    assert (traffic.read, traffic.written, traffic.operations, traffic.widest) == (4.0, 2.0, 1.0, 16)
    assert sorted(path.name for path in tmp_path.iterdir()) == [asked.digest]


@pytest.mark.slow
def test_without_the_divisors_that_a_launch_finds_accesses_are_narrow(tmp_path: Path) -> None:
    found, = compile_all([unit(COPY, "copy", 1024, aligned=())], tmp_path)
    assert isinstance(found, Compiled) and found.traffic is not None
    assert found.traffic.widest < 16


@pytest.mark.slow
def test_what_is_kept_is_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compile_all([unit(COPY, "copy", 512)], tmp_path)

    def never(folder: Path) -> subprocess.Popen[str]:
        raise AssertionError("a child process was started")

    monkeypatch.setattr(pool, "_child", never)
    assert compile_all([unit(COPY, "copy", 512)], tmp_path) == first
    with pytest.raises(AssertionError, match="started"):
        compile_all([unit(COPY, "copy", 256)], tmp_path)


@pytest.mark.slow
def test_a_report_that_was_damaged_is_made_again(tmp_path: Path) -> None:
    asked = unit(COPY, "copy", 512)
    first, = compile_all([asked], tmp_path)
    report = tmp_path / asked.digest / "report.json"
    report.write_text(report.read_text(encoding="utf-8")[:40], encoding="utf-8")
    again, = compile_all([asked], tmp_path)
    assert again == first


def test_a_kernel_that_keeps_more_than_registers_hold_spills(tmp_path: Path) -> None:
    # 32,768 numbers by 128 threads: 256 each, and a thread has 255 registers.
    found, = compile_all([unit(HELD, "held", 32_768)], tmp_path)
    assert isinstance(found, Compiled) and found.listing is not None
    assert found.spills and found.listing.spilled > 0 and found.usage.stack > 0


@pytest.mark.slow
def test_a_kernel_that_is_wrong_is_named_and_the_others_are_compiled(tmp_path: Path) -> None:
    wrong = unit(COPY.replace("v * 2.0", "v.shape_that_is_none"), "copy", 1024)
    deadly = unit("import os\nos._exit(7)\n" + COPY, "copy", 1024)
    first, second, third = compile_all([wrong, deadly, unit(COPY, "copy", 1024)], tmp_path)
    assert isinstance(first, Refused) and "shape_that_is_none" in first.message and not first.is_target
    assert isinstance(second, Refused) and second.message == "the compiler ended without an answer (exit code 7)"
    assert isinstance(third, Compiled)


def test_a_target_that_this_ptxas_does_not_know_is_told_from_a_kernel_that_is_wrong(tmp_path: Path,
                                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "ptxas"
    tool.write_text("#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'Cuda compilation tools, release 12.9, V12.9.86'; exit 0; fi\n"
                    "echo \"ptxas fatal   : Value 'sm_80' is not defined for option 'gpu-name'\" >&2\nexit 255\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("TRITON_PTXAS_PATH", str(tool))
    found, = compile_all([unit(COPY, "copy", 1024, target="sm_80")], tmp_path / "kept")
    assert isinstance(found, Refused) and found.is_target
    assert "not defined for option 'gpu-name'" in found.message


def test_digests_follow_what_machine_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = unit(COPY, "copy", 1024)
    others = [unit(COPY, "copy", 512), unit(COPY, "copy", 1024, target="sm_80"), unit(COPY, "copy", 1024, warps=8),
              unit(COPY, "copy", 1024, aligned=()), unit(COPY.replace("2.0", "3.0"), "copy", 1024)]
    assert len({plain.digest, *(other.digest for other in others)}) == 6
    before = plain.digest
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert plain.digest == before
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "0")
    assert plain.digest != before
