"""What the interpreter cannot show: how kernels are launched and compiled, and what would make the host wait for a device."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.ahead.pool import compile_all
from rldsl.ahead.results import PTX, Compiled
from rldsl.ahead.units import unit_of
from rldsl.emit.triton import emit_triton
from rldsl.kernels.device.carried import tile_of
from rldsl.kernels.device.shards import merged
from rldsl.kernels.device.sources import Shape
from rldsl.kernels.gradients import clear_others
from rldsl.kernels.reference import pick_quantile, present, rank, segment_quantile
from rldsl.kernels.supports import Support
from rldsl.plan.machines import machine_for
from rldsl.plan.tiles import RowWork, ranked
from rldsl.triton_choice import plain_tile
from tests.differential.combining import Problem
from tests.differential.test_combine import OBJECTIVES
from tests.head.objectives import compiled
from tests.passes.cases import Case
from tests.passes.generator import random_case
from tests.triton.waiting import Waiting

NAMES = ["token", "sample", "batch", "exact", "generalised"]


@pytest.mark.parametrize("name", NAMES)
def test_every_launch_says_whether_products_and_sums_become_one_rounding(name: str) -> None:
    """Releases of Triton differ in what they take for granted, and 3.9 warns where nothing is said. Combine kernels round twice, as
    the CPU does."""
    text = emit_triton(compiled(name).staged).text
    launches = re.findall(r"\n +(\w+)\[[^\n]*?\]\((.*?)\)\n", text, flags=re.DOTALL)
    assert len(launches) > 6
    for kernel, arguments in launches:
        is_of_rows = re.search(r"(rows|parts)\d+$", kernel) is not None
        said = "enable_fp_fusion=True" if is_of_rows else "enable_fp_fusion=False"
        assert said in arguments or "options_of(tile)" in arguments, kernel
    assert '"enable_fp_fusion": True' in text


@pytest.mark.parametrize("name", NAMES)
def test_a_chunk_that_begins_at_an_odd_token_compiles_no_kernel_again(name: str) -> None:
    """Triton makes another kernel of a pointer that 16 does not divide, and the pointers to a chunk's tokens are such ones."""
    text = emit_triton(compiled(name).staged).text
    kernels = re.findall(r"@triton\.jit(.*?)\ndef (\w+)\((.*?)\):", text, flags=re.DOTALL)
    seen = 0
    for decorator, kernel, parameters in kernels:
        given = {part.split(":")[0].strip() for part in parameters.split(",")}
        tokens = {part for part in given if part == "targets" or re.fullmatch(r"places\d*", part)}
        if re.fullmatch(r"(read|write|fuse|partition)_rows\d+|compare_parts\d+", kernel):
            _, _, listed = decorator.partition("do_not_specialize_on_alignment=")
            assert tokens and all(f'"{part}"' in listed for part in tokens), kernel
            seen += 1
    assert seen >= 2


@pytest.mark.slow
@pytest.mark.parametrize("dtypes", [("bf16", "bf16"), ("fp32", "bf16")])
def test_no_warp_waits_for_another_while_a_row_is_gone_over(dtypes: tuple[str, str], tmp_path: Path) -> None:
    """Loads that Triton sends through shared memory cost two barriers a step, and with one buffer none runs ahead."""
    source = emit_triton(compiled("token").staged)
    kernel = next(entry for entry in source.kernels if entry.name == "fuse_rows0")
    tile = ranked(RowWork(151_936, 2, written=2), machine_for("sm_90"), 8192)[0][1]
    unit = unit_of(source.text, kernel, "sm_90", dtypes, tile.shape)
    found, = compile_all([unit], tmp_path)
    assert isinstance(found, Compiled) and not found.spills
    ptx = (tmp_path / unit.digest / PTX).read_text(encoding="utf-8")
    assert "cp.async" not in ptx
    # The loop that sums in float64 goes over what one lane has read, once, and where one logit has half of the row's probability.
    sweeps = [body for body in _loops(ptx) if ".v4.b32" in body and ".f64" not in body]
    assert len(sweeps) >= 2 and not any("bar.sync" in body for body in sweeps)


def test_what_a_program_has_written_it_reads_behind_a_barrier_or_from_the_cache_of_all() -> None:
    """A thread writes a number, and all threads of its program read it: the interpreter has one thread. What other programs have
    added to comes from the cache that they share."""
    objectives = [emit_triton(Problem.of(make(Case())).staged, fast=fast) for make in OBJECTIVES.values() for fast in (False, True)]
    sources = [*objectives, *(emit_triton(Problem.of(random_case(seed)).staged) for seed in range(20))]
    read_again = sum(_checked(body) for source in sources for body in _bodies(source.text))
    assert read_again > 50


def test_a_read_of_what_was_just_written_is_found() -> None:
    written = "    tl.store(sums_kept, total)\n    {}\n    again = tl.load(sums_kept{})\n"
    assert _checked(written.format("tl.debug_barrier()", "")) == _checked(written.format("pass", ", volatile=True")) == 1
    with pytest.raises(AssertionError, match="sums_kept"):
        _checked(written.format("pass", ""))


def _bodies(text: str) -> list[str]:
    return re.findall(r"@triton\.jit[^\n]*\ndef \w+\(.*?\):\n(.*?)(?=\n\n\n|\Z)", text, flags=re.DOTALL)


def _checked(body: str) -> int:
    """How many loads there are of what the program has written before, all of which are in order."""
    written, behind, found = set[str](), set[str](), 0
    for kind, array, rest in re.findall(r"tl\.(store|atomic_add|load|debug_barrier)\((\w*)([^\n]*)", body):
        if kind == "debug_barrier":
            behind |= written
            written = set()
        elif kind != "load":
            written.add(array)
            behind.discard(array)
        elif array in written | behind:
            assert array in behind or "volatile=True" in rest, f"{array} in\n{body}"
            found += 1
    return found


def _loops(ptx: str) -> list[str]:
    """The lines between a label and a branch back to it."""
    lines = ptx.splitlines()
    labels = {match[1]: number for number, line in enumerate(lines) if (match := re.match(r"\$(\w+):", line))}
    back = [(labels[match[1]], number) for number, line in enumerate(lines)
            if (match := re.search(r"bra(?:\.uni)?\s+\$(\w+);", line)) and labels.get(match[1], len(lines)) < number]
    return ["\n".join(lines[start : stop + 1]) for start, stop in back]


def test_tiles_without_a_measurement_keep_loads_in_registers() -> None:
    for vocabulary in (1, 300, 151_936, 262_144):
        assert plain_tile(vocabulary)[2] == 1 and tile_of(vocabulary)[2] == 1
        assert all(tile.stages == 1 for _, tile in ranked(RowWork(vocabulary, 2), machine_for("sm_90"), 8192))


@pytest.mark.parametrize("masked", [False, True])
def test_sorts_of_the_library_wait_for_nothing(masked: bool) -> None:
    """Of 3, 1, 2 and of nothing: the median is 2, and what lies below it half of the time."""
    x, owners = torch.tensor([3.0, 1.0, 2.0, 7.0], dtype=torch.float64), torch.tensor([0, 0, 0, 2])
    mask = torch.tensor([1.0, 1.0, 1.0, 0.0 if masked else 1.0], dtype=torch.float64)
    level = torch.full((3,), 0.5, dtype=torch.float64)
    with Waiting() as waiting:
        keep = present(x, mask, True)
        found = segment_quantile(x, owners, 3, level, keep), pick_quantile(x, owners, 3, level, keep), rank(x, owners, 3, False)
    assert waiting.found == []
    assert str(found[0].tolist()) == str([2.0, float("nan"), float("nan") if masked else 7.0])
    assert found[1].tolist() == [0.0, 0.0, 1.0, 0.0 if masked else 1.0]
    assert found[2].tolist() == [2.0, 0.0, 1.0, 0.0]


def test_a_number_of_the_host_or_a_mask_as_an_index_is_found() -> None:
    with Waiting() as waiting:
        x = torch.zeros(4)
        x[torch.tensor([1])] = 2.0
        torch.where(x > 1, 0.0, x)[x > 1].max().item()
    assert {"index_put of a number", "where with a number", "index with a mask"} <= set(waiting.found)


def test_rows_in_place_caps_and_shards_wait_for_nothing() -> None:
    logits = torch.arange(12.0).reshape(4, 3)
    shape = Shape(Support.of(np.array([[True, False, True]] * 2)), 2.0)
    parts = torch.tensor([[[[1.0, 1.0, 0.0, 1.0]]], [[[-torch.inf, 0.0, 0.0, -torch.inf]]]], dtype=torch.float64)
    capped, gradient = torch.tensor([[0.0, -torch.inf, 1.0]]), torch.ones(1, 3)
    with Waiting() as waiting:
        whole = merged(parts, torch.tensor(1.0, dtype=torch.float64))
        shape.return_through(capped, gradient)
    assert waiting.found == []
    assert whole.flatten().tolist() == [1.0, 1.0, 0.0, 1.0]
    assert gradient.tolist() == [[1.0, 0.0, 0.75]]
    with Waiting() as waiting:
        clear_others(logits, [torch.tensor([0, 2])])
    assert "index_put of a number" not in waiting.found
    assert logits.tolist() == [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0], [6.0, 7.0, 8.0], [0.0, 0.0, 0.0]]


def test_an_axis_whose_size_nothing_says_is_a_parameter_of_update() -> None:
    """Of this graph no array that is handed over has a place for each problem."""
    text = emit_triton(Problem.of(random_case(10382)).staged).text
    assert re.search(r"def update\([^)]*problems_count", text)
    assert "problems_count: how many places problems has" in text


def test_update_runs_on_the_device_of_its_rows() -> None:
    """Triton launches on the current device, whatever it is given."""
    for name in NAMES:
        text = emit_triton(compiled(name).staged).text
        update = text[text.index("\ndef update("):]
        called = [update.index(call) for call in (" values(", " combined(", "settings0 =") if call in update]
        assert len(called) == 2 and update.index("with torch.cuda.device_of(") < min(called)
