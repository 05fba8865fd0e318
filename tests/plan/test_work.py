"""Bytes and FLOPs of objectives, against arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rldsl.graph.staged import StagedObjective
from rldsl.passes import compile_objective
from rldsl.plan.chunks import LEAST_ROWS, chunk_for, gemm_seconds, occupied
from rldsl.plan.machines import machine_for
from rldsl.plan.work import GroupPlan, Sizes, limit_seconds, plan_group
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


def test_a_batch_that_couples_computes_its_logits_twice() -> None:
    from rldsl.graph.model import Graph
    from rldsl.types import Level
    objective = staged("grpo")
    assert isinstance(objective.graph, Graph)
    coupled = replace(objective, coupling=Level.BATCH)
    assert plan_group(coupled, coupled.groups[0], LARGE, H200).flops == pytest.approx(4 * ONCE)


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


def test_a_chunk_keeps_to_its_bytes_and_never_below_its_least_rows() -> None:
    within = chunk_for(151_936, 4096, H200, budget=3 * 10**9)
    assert within.rows >= LEAST_ROWS and within.size <= 3 * 10**9
    assert within.size == within.rows * 151_936 * 6
    assert chunk_for(151_936, 4096, H200, budget=10**6).rows == LEAST_ROWS


def test_a_chunk_of_one_whole_wave_is_preferred() -> None:
    # 1536 columns are 6 tiles of 256; 22 tiles of 128 rows make 132, as many as an H200 has processors.
    assert occupied(22 * 128, 1536, H200) == 1.0
    assert occupied(23 * 128, 1536, H200) == pytest.approx(138 / 264)
    assert chunk_for(151_936, 1536, H200).rows == 22 * 128


def test_a_product_that_is_added_to_memory_takes_at_least_the_time_of_moving_that() -> None:
    assert gemm_seconds(128_256, 4096, 1, H200, moved=8.0 * 128_256 * 4096) == pytest.approx(8 * 128_256 * 4096 / 4.3e12)
    assert gemm_seconds(0, 4096, 1, H200) == 0
