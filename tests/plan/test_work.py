"""Bytes and FLOPs of objectives, against arithmetic by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rldsl.graph.model import ReadKind
from rldsl.graph.staged import StagedObjective
from rldsl.passes import compile_objective
from rldsl.plan.chunks import LEAST_BLOCK, LEAST_ROWS, Buffers, Products, chunk_for, eager_bytes, gemm_seconds, occupied
from rldsl.plan.machines import machine_for
from rldsl.plan.tiles import Tile, row_time
from rldsl.plan.work import GroupPlan, Sizes, estimated, limit_seconds, plan_group, row_work
from rldsl.reporting import check_path

EXAMPLES = Path(__file__).parents[2] / "examples"
H200 = machine_for("sm_90")
LARGE = Sizes(tokens=8192, vocabulary=128_256, hidden=4096)
ONCE = 2.0 * 8192 * 4096 * 128_256


def staged(name: str) -> StagedObjective:
    """The first objective of an example."""
    result = check_path(EXAMPLES / f"{name}.rl", {})
    spec = getattr(result, "spec", None)
    assert spec is not None
    return compile_objective(spec, spec.objectives[0])


def planned(name: str, sizes: Sizes) -> GroupPlan:
    objective = staged(name)
    return plan_group(objective, objective.groups[0], sizes, H200)


@pytest.mark.parametrize("name", ["grpo", "gspo", "dpo"])
def test_three_products_where_coefficients_are_known_in_a_chunk(name: str) -> None:
    plan = planned(name, LARGE)
    assert plan.flops == pytest.approx(3 * ONCE)
    assert limit_seconds(plan, LARGE, H200) == pytest.approx(3 * ONCE / 790e12)


def test_a_frozen_projection_saves_its_gradient() -> None:
    assert planned("grpo", replace(LARGE, frozen=True)).flops == pytest.approx(2 * ONCE)


def test_a_batch_that_couples_computes_its_logits_twice_but_those_of_the_last_chunk() -> None:
    from rldsl.graph.model import Graph
    from rldsl.types import Level
    objective = staged("grpo")
    assert isinstance(objective.graph, Graph)
    coupled = replace(objective, coupling=Level.BATCH)
    plan = plan_group(coupled, coupled.groups[0], LARGE, H200)
    assert plan.chunk is not None and LARGE.tokens == 4 * plan.chunk.rows
    assert plan.flops == pytest.approx((3 + 3 / 4) * ONCE)
    one = replace(LARGE, tokens=plan.chunk.rows)
    assert plan_group(coupled, coupled.groups[0], one, H200).flops == pytest.approx(3 * ONCE / 4)


def test_each_other_policy_is_one_product_more() -> None:
    objective = staged("grpo")
    group = replace(objective.groups[0], others=("reference",))
    assert plan_group(objective, group, LARGE, H200).flops == pytest.approx(4 * ONCE)
    given = plan_group(objective, group, Sizes(vocabulary=128_256), H200)
    assert limit_seconds(given, Sizes(vocabulary=128_256), H200) == pytest.approx(8192 * 128_256 * 2 * 3 / 4.3e12)


def test_given_logits_are_read_once_and_written_once_at_best() -> None:
    sizes = Sizes(tokens=8192, vocabulary=151_936)
    plan = planned("grpo", sizes)
    assert limit_seconds(plan, sizes, H200) == pytest.approx(8192 * 151_936 * 4 / 4.3e12)  # 1.16 ms
    assert plan.flops == 0
    assert plan.seconds > limit_seconds(plan, sizes, H200)


def test_what_is_predicted_is_never_faster_than_the_limit() -> None:
    for name in ("grpo", "gspo", "dpo"):
        for sizes in (LARGE, Sizes(), replace(LARGE, hidden=1536, vocabulary=151_936), replace(LARGE, frozen=True)):
            plan = planned(name, sizes)
            assert plan.seconds >= limit_seconds(plan, sizes, H200)


def test_the_pipeline_of_chunks_is_predicted_near_what_was_published_for_it() -> None:
    # 35.1 ms on an H200 for three products with an ordinary row kernel between them.
    assert planned("grpo", LARGE).seconds == pytest.approx(35.1e-3, rel=0.03)


COUPLED, ALONE = Buffers(), Buffers(is_passing=True)


def test_a_chunk_keeps_to_its_bytes_and_never_below_its_least_rows() -> None:
    products = Products(151_936, 4096, H200)
    within = chunk_for(products, COUPLED, budget=3 * 10**9)
    assert within.rows >= LEAST_ROWS and within.size <= 3 * 10**9
    assert within.size == within.rows * 151_936 * 6 and within.block == within.rows
    assert chunk_for(products, COUPLED, budget=10**6).rows == LEAST_ROWS
    least = chunk_for(products, ALONE, budget=10**6)
    assert (least.rows, least.block, least.size) == (LEAST_ROWS, LEAST_BLOCK, 151_936 * (2 * LEAST_ROWS + 4 * LEAST_BLOCK))
    assert least.why[1] == "the fewest rows there are, and more than 0.00 GB, as given"
    assert chunk_for(Products(151_937, 4096, H200), ALONE, budget=10**6).size == 152_000 * (2 * LEAST_ROWS + 4 * LEAST_BLOCK)


@pytest.mark.parametrize("buffers", [COUPLED, ALONE])
def test_a_small_vocabulary_has_one_chunk_for_all(buffers: Buffers) -> None:
    """A few megabytes: launches take longer than the products."""
    found = chunk_for(Products(64, 128, H200), buffers)
    assert (found.rows, found.block) == (8192, 8192)


@pytest.mark.parametrize("buffers", [COUPLED, ALONE])
def test_a_chunk_of_one_whole_wave_is_preferred(buffers: Buffers) -> None:
    # 1536 columns are 6 tiles of 256; 22 tiles of 128 rows make 132, as many as an H200 has processors: a third of 8,192 tokens.
    assert occupied(22 * 128, 1536, H200) == 1.0
    assert occupied(23 * 128, 1536, H200) == pytest.approx(138 / 264)
    assert chunk_for(Products(151_936, 1536, H200), buffers).rows == 2731


def test_logits_of_a_few_rows_at_a_time_where_nothing_waits_for_others() -> None:
    """At 4 bytes a logit of some rows and 2 of all: no third product is cut, and 0.85 GB are enough for 2,048 rows. Each row of
    640 takes 5 tiles down and 501 across, 2,505 of the 2,508 that 19 waves have."""
    alone, coupled = planned("grpo", LARGE).chunk, planned("gspo", LARGE).chunk
    assert alone is not None and coupled is not None
    assert (alone.rows, alone.block, alone.size) == (2048, 640, 128_256 * (2048 * 2 + 640 * 4))
    assert (coupled.rows, coupled.block, coupled.size) == (2048, 2048, 128_256 * 2048 * 6)
    assert occupied(640, 128_256, H200) == pytest.approx(2505 / 2508)
    assert any("640 rows at a time" in sentence for sentence in alone.why)
    assert planned("grpo", replace(LARGE, apart=True)).chunk == coupled
    in_place = planned("grpo", replace(LARGE, logits=2)).chunk  # in the weight's dtype, and turned into their gradient
    assert in_place is not None and in_place.size == 128_256 * in_place.rows * 2 and in_place.block == in_place.rows


def test_the_decision_shows_what_the_model_says_of_chunks() -> None:
    """Milliseconds of the products of 8,192 tokens, and bytes of buffers with the fp32 gradients by hidden states."""
    lines = (EXAMPLES.parent / "docs" / "decisions" / "0025-the-device-head.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip().strip("|").split("|") for line in lines if re.match(r" *\| \d", line)]
    assert len(rows) == 7
    for pair, *shown in rows:
        rows_each, block = (part.strip().replace(",", "") for part in pair.split(", "))
        count = int(rows_each)
        kept = count if block == "all" else int(block)
        wanted = []
        for vocabulary, hidden in ((128_256, 4096), (151_936, 1536)):
            seconds = -(-8192 // count) * Products(vocabulary, hidden, H200).chunk(count, kept)
            size = ALONE.size(count, kept, vocabulary) + 4 * hidden * count
            wanted += [f"{1e3 * seconds:.1f}", f"{size / 1e9:.2f} GB"]
        assert [cell.strip(" *") for cell in shown] == wanted


@pytest.mark.parametrize(("vocabulary", "hidden", "share"), [(128_256, 4096, 0.90), (151_936, 1536, 0.80)])
def test_a_twentieth_of_eager_torch_holds_a_chunk_that_reaches_what_is_asked(vocabulary: int, hidden: int, share: float) -> None:
    """Eager torch: 20 bytes a logit less its bf16 gradients; ours: buffers, and fp32 gradients by the hidden states of a chunk."""
    sizes = Sizes(8192, vocabulary, hidden)
    plan = planned("grpo", sizes)
    assert plan.chunk is not None
    eager = 8192 * vocabulary * 20 - 2 * hidden * (8192 + vocabulary)
    assert eager == eager_bytes(Products(vocabulary, hidden, H200))
    assert plan.chunk.size + 4 * hidden * plan.chunk.rows <= eager / 20
    assert limit_seconds(plan, sizes, H200) / plan.seconds >= share


def test_rows_that_are_launched_together_fill_no_more_of_a_processor_than_there_are() -> None:
    """640 rows are 5 for most of 132 processors, whatever registers would hold; 20 processors have a row less."""
    work = replace(row_work(staged("grpo"), staged("grpo").groups[0], LARGE), launched=640)
    few, many = (row_time(entry, Tile(2048, 4, 1), H200, 8192) for entry in (work, replace(work, launched=0)))
    assert (few.resident, many.resident) == (5, 8)
    assert few.issue == pytest.approx(many.issue * 660 / 640)


def test_a_product_that_is_added_to_memory_takes_at_least_the_time_of_moving_that() -> None:
    assert gemm_seconds(128_256, 4096, 1, H200, moved=8.0 * 128_256 * 4096) == pytest.approx(8 * 128_256 * 4096 / 4.3e12)
    assert gemm_seconds(0, 4096, 1, H200) == 0


COUNTED = [(("logp",), 0, 2, 17.38), (("logp",), 0, 4, 15.5), (("entropy",), 0, 2, 19.12), (("logp", "entropy"), 0, 2, 21.94),
           (("logp", "entropy"), 0, 4, 20.38), (("kl",), 1, 2, 47.87), (("kl",), 1, 4, 40.81), (("kl", "logp"), 1, 4, 43.82),
           (("tv",), 1, 4, 47.81), (("js",), 1, 2, 130.69), (("js",), 1, 4, 122.82), (("kl", "js"), 1, 2, 138.44),
           (("kl", "js", "logp"), 1, 4, 132.94), (("alpha_divergence",), 1, 4, 118.56 + 30)]


@pytest.mark.parametrize(("kinds", "others", "width", "counted"), COUNTED)
def test_instructions_are_about_those_that_were_counted(kinds: tuple[str, ...], others: int, width: int, counted: float) -> None:
    """A column's, in both loops, in machine code for sm_90."""
    found = estimated([ReadKind(kind) for kind in kinds], others, width)
    assert found.reading + found.writing == pytest.approx(counted, rel=0.05)


@pytest.mark.slow
def test_what_is_estimated_is_what_this_compiler_makes() -> None:
    """Of a clipped surrogate with log-probabilities, from bf16 logits."""
    from rldsl.ahead.pool import compile_all
    from rldsl.ahead.results import Compiled
    from rldsl.ahead.units import unit_of
    from rldsl.emit.triton import emit_triton
    objective = staged("gspo")
    source = emit_triton(objective)
    kernels = [kernel for kernel in source.kernels if kernel.name in ("read_rows0", "write_rows0")]
    made = compile_all([unit_of(source.text, kernel, "sm_90", ("bf16", "bf16"), (4096, 8, 1)) for kernel in kernels])
    traffic = [entry.traffic for entry in made if isinstance(entry, Compiled)]
    assert len(traffic) == 2 and None not in traffic
    issued = sum(entry.instructions or 0.0 for entry in traffic if entry is not None)
    work = row_work(objective, objective.groups[0], Sizes())
    assert work.reading + work.writing == pytest.approx(issued, rel=0.1)
