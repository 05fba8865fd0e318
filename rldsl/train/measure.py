"""Measures a stored policy by the evals of a spec: data, models, weights of a checkpoint, reports. Trains nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rldsl.graph.spec import Spec
from rldsl.rollouts.placement import CPU, Placement
from rldsl.train.checkpoint import LoadedCheckpoint, latest_checkpoint, load_checkpoint
from rldsl.train.durable import StorageError
from rldsl.train.evaluation import run_eval
from rldsl.train.outcome import RunError
from rldsl.train.schedule import parameters_at
from rldsl.train.start import check_calls, make_world, read_data, refuse_unready
from rldsl.train.state import RunState
from rldsl.train.values import Scalars


def measure(spec: Spec, project: Path, run: Path, names: Sequence[str], seed: int,
            placement: Placement = CPU) -> dict[str, float]:
    """`eval/<eval>/<label>` -> value, for the weights in `run` (a run folder or a checkpoint in it)."""
    checkpoint = stored(run)
    refuse_unready(spec)
    world, engine = make_world(spec, project, seed, read_data(spec, project, seed), placement)
    found: dict[str, float] = {}
    state = RunState.from_plain(checkpoint.state)
    scalars = Scalars(parameters_at(spec, state.iteration), dict(state.states), state.iteration)
    with world.host:
        check_calls(world)
        engine.read(checkpoint)
        for entry in spec.evals:
            if entry.name in names:
                found |= run_eval(world, entry, scalars).metrics
    return found


def stored(run: Path) -> LoadedCheckpoint:
    """The checkpoint itself, or the last whole one of a run."""
    try:
        if (run / "manifest.json").exists():
            return load_checkpoint(run)
        folder = run / "checkpoints"
        found = latest_checkpoint(folder if folder.exists() else run)
    except StorageError as fault:
        raise RunError(str(fault)) from fault
    if found is None:
        raise RunError(f"{run} holds no checkpoint; name the folder of a run, or one of its `checkpoints/checkpoint-N`")
    return found
