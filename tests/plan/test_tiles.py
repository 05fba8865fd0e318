"""Tiles are chosen by a model whose numbers can be worked out by hand."""

from __future__ import annotations

import pytest

from rldsl.plan.machines import MACHINES, TARGETS, Machine, machine_for, machine_named
from rldsl.plan.tiles import LOAD, MEET, RowWork, Tile, candidates, ranked, row_time, tile_for

# 10 processors, 1 GHz, 1 GB/s, 1 MB of L2.
SMALL = Machine("small", "sm_90", copy=1e9, gemm=1e12, single=1e12, double=1e11, processors=10, cache=1 << 20, memory=10**9,
                clock=1e9, source="made up")


def test_a_read_moves_each_logit_once() -> None:
    work = RowWork(1000, 2, reading=8.0)
    found = row_time(work, Tile(1024, 4, 2), SMALL, rows=50)
    assert found.memory == pytest.approx(50 * 1000 * 2 / 1e9)
    assert found.issue == pytest.approx(50 * 1000 * 8 / (10 * 128 * 1e9))


def test_rows_that_fit_in_l2_are_read_from_memory_once_and_others_twice() -> None:
    # Four programs of 16 warps a processor, of 30 registers: 40 rows in flight.
    tile = Tile(512 * 8, 16, 2)
    held = RowWork(10_000, 1, written=1, registers=32)      # 40 * 10 kB = 0.38 MB of 1 MB
    lost = RowWork(100_000, 1, written=1, registers=32)     # 3.8 MB
    assert row_time(held, tile, SMALL, 10).memory == pytest.approx(10 * 10_000 * (1 + 1) / 1e9)
    assert row_time(lost, tile, SMALL, 10).memory == pytest.approx(10 * 100_000 * (2 + 1) / 1e9)


def test_beside_another_policy_a_row_is_gone_over_once_more() -> None:
    assert (RowWork(1, 2).sweeps, RowWork(1, 2, written=2).sweeps) == (1, 2)
    assert (RowWork(1, 2, others=1).sweeps, RowWork(1, 2, others=1, written=2).sweeps) == (2, 3)


def test_two_launches_read_every_row_again_and_fuse_nothing() -> None:
    apart = RowWork(10_000, 2, written=2, apart=True)
    assert row_time(apart, Tile(1024, 4, 2), SMALL, 10).memory == pytest.approx(10 * 10_000 * (2 + 2 + 2) / 1e9)
    assert not apart.is_fused


def test_waiting_is_shared_by_the_programs_of_a_processor() -> None:
    work = RowWork(1 << 20, 2, reading=0.0, registers=128)
    alone, several = Tile(8192, 16, 2), Tile(2048, 4, 2)
    first, second = (row_time(work, tile, SMALL, 10) for tile in (alone, several))
    assert (first.resident, second.resident) == (1, 4)
    assert first.latency == pytest.approx((128 * LOAD / 2 + MEET) / 1e9)
    assert second.latency == pytest.approx((512 * LOAD / 2 + MEET) / 4 / 1e9)


def test_the_sum_is_at_least_the_longest_part_and_below_it_times_the_fourth_root_of_three() -> None:
    for _, tile in ranked(RowWork(151_936, 2, written=2), machine_for("sm_90"), 8192):
        time = row_time(RowWork(151_936, 2, written=2), tile, machine_for("sm_90"), 8192)
        longest = max(time.memory, time.issue, time.latency)
        assert longest <= time.seconds <= longest * 3**0.25


@pytest.mark.parametrize("vocabulary", [1, 2, 127, 128, 129, 300, 32_000, 128_256, 151_936, 262_144])
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_vocabulary_has_a_tile_that_a_processor_can_hold(vocabulary: int, machine: Machine) -> None:
    for width in (2, 4):
        work = RowWork(vocabulary, width, written=2)
        tile = tile_for(work, machine)
        assert tile.block & (tile.block - 1) == 0
        assert tile.block < max(256, 2 * vocabulary)
        assert tile.warps * 32 * work.registers_of(tile) <= 65_536
        assert len(tile.why) >= 2


def test_a_kernel_with_more_registers_is_given_fewer_columns_or_warps() -> None:
    machine = machine_for("sm_90")
    few, many = (ranked(RowWork(151_936, 2, written=2, registers=count), machine, 8192) for count in (60, 200))
    assert max(tile.block for _, tile in few) == 16_384
    assert max(tile.warps * 32 * RowWork(1, 2, registers=200).registers_of(tile) for _, tile in many) <= 65_536
    assert (16_384, 32, 2) not in {tile.shape for _, tile in many}


def test_a_vocabulary_that_one_step_holds_has_one_block() -> None:
    assert {tile.block for tile in candidates(300)} <= {512, 256, 128} | {512}
    assert max(tile.block for tile in candidates(300)) == 512


def test_no_rows_take_no_time() -> None:
    assert row_time(RowWork(1000, 2, written=2), Tile(1024, 4, 2), SMALL, 0).seconds == 0


def test_machines_have_targets_and_are_found_by_what_a_driver_calls_them() -> None:
    assert TARGETS == ("sm_80", "sm_90", "sm_100")
    assert [machine_for(target).name for target in TARGETS] == ["A100", "H200", "B200"]
    named = machine_named("NVIDIA H100 80GB HBM3")
    assert named is not None and named.name == "H100"
    assert machine_named("NVIDIA GeForce RTX 4090") is None


def test_the_h200_has_the_limits_that_were_measured_on_it() -> None:
    found = machine_for("sm_90")
    assert found.copy == pytest.approx(4.3e12)
    assert found.gemm == pytest.approx(790e12)
