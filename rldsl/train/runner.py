"""`run_spec`: trains as a checked spec says, into a run folder, from the start or from where a run was stopped."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rldsl.graph.spec import Spec
from rldsl.program import BackendName
from rldsl.train.checkpoint import LoadedCheckpoint, discard_after, latest_checkpoint
from rldsl.train.devices import Chosen, choose_device
from rldsl.train.drawing import Steps
from rldsl.train.durable import StorageError
from rldsl.train.engine import Engine
from rldsl.train.fingerprint import fingerprint
from rldsl.train.folder import RunFolder, holds_run
from rldsl.train.interrupt import watch_signals
from rldsl.train.judged import bounds_of
from rldsl.train.loop import Loop, finished_message
from rldsl.train.metrics import Metrics
from rldsl.train.objectives import Objective
from rldsl.train.outcome import Ending, RunError, RunResult
from rldsl.train.progress import Progress
from rldsl.train.records import EVERY_ITERATIONS, Records
from rldsl.train.report import write_report
from rldsl.train.rollout_log import RolloutLog
from rldsl.train.samples import data_columns, reward_columns
from rldsl.train.start import (
    check_calls,
    check_texts,
    make_objectives,
    make_world,
    read_data,
    refuse_unready,
    resolved_parameters,
)
from rldsl.train.state import RunState
from rldsl.train.world import World


@dataclass(slots=True)
class Ready:
    """A run that could start."""

    world: World
    engine: Engine
    objectives: dict[str, Objective]
    steps: Steps


def run_spec(spec: Spec, *, project: Path, out: Path, seed: int = 0, resume: bool = False, quiet: bool = False,
             backend: BackendName = "numba", chosen: Chosen | None = None, stop_after: int | None = None,
             dry_run: bool = False, checkpoint_every: int = EVERY_ITERATIONS) -> RunResult:
    """Train as the spec says. Raises `RunError`, a sentence for people, where that is not possible.

    With `resume` the run in `out` goes on from its last whole checkpoint, exactly. `stop_after` ends it after so many
    iterations as a signal would. `dry_run` loads and compiles everything, and trains nothing. `chosen` is the device with its back
    end; without it, `backend` where it runs.
    """
    try:
        chosen = _chosen(backend) if chosen is None else chosen
        refuse_unready(spec)
        digest = fingerprint(spec)
        _check_folder(out, resume, digest, seed, chosen)
        data = read_data(spec, project, seed)
        world, engine = make_world(spec, project, seed, data, chosen.placement)
        with world.host:
            check_calls(world)
            ready = Ready(world, engine, *make_objectives(world, chosen))
            check_texts(world)
            if dry_run:
                said = [*chosen.notes, "everything loads and compiles; nothing was trained", *_judged(ready)]
                return RunResult(Ending.CHECKED, "\n".join(said), out, 0, 0)
            with _opened(spec, out, resume, resolved_parameters(spec, seed, chosen, digest)) as folder:
                return _train(ready, folder, chosen, resume, quiet, stop_after, checkpoint_every)
    except StorageError as fault:
        raise RunError(str(fault)) from fault


def _chosen(backend: BackendName) -> Chosen:
    """Where a back end runs, if nothing is said of it: Triton's on a GPU, or on the CPU where it is interpreted."""
    return choose_device(backend=backend) if backend == "triton" else Chosen(backend=backend)


# ------------------------------------------------------------------ the folder
def _check_folder(out: Path, resume: bool, digest: str, seed: int, chosen: Chosen) -> None:
    if not resume:
        if holds_run(out):
            raise RunError(f"{out} already holds a run; continue it with `--resume`, or choose another folder with `--out`")
        return
    if not holds_run(out):
        raise RunError(f"{out} holds no run to resume; leave `--resume` out to begin one")
    with RunFolder.open(out) as folder:
        began = folder.parameters
    moved = began.get("device", "cpu") != chosen.placement.device.type  # another device has other kernels: said, not refused
    for name, now, what in (("fingerprint", digest, "the spec (or a `--set` value) was changed"),
                            ("seed", seed, f"it began with `--seed {began.get('seed')}`"),
                            ("backend", chosen.backend, f"it began with `--backend {began.get('backend')}`")):
        if began.get(name) != now and not (name == "backend" and moved):
            raise RunError(f"the run in {out} cannot go on as another one: {what} since it began; what it began with is in "
                           f"{out / 'spec.rl'} and {out / 'parameters.json'}. Begin a new run, or put it back")


@contextmanager
def _opened(spec: Spec, out: Path, resume: bool, resolved: Mapping[str, object]) -> Iterator[RunFolder]:
    folder = RunFolder.open(out) if resume else RunFolder.create(out, spec.source.text, resolved)
    with folder:
        yield folder


# ------------------------------------------------------------------ training
def _train(ready: Ready, folder: RunFolder, chosen: Chosen, resume: bool, quiet: bool, stop_after: int | None,
           every: int) -> RunResult:
    spec = ready.world.spec
    with (Metrics(folder.metrics, folder.tensorboard) as metrics, Progress(mode="quiet" if quiet else "auto") as progress,
          watch_signals() as wish):
        records = Records(folder, metrics, RolloutLog(folder.rollouts, reward_columns(spec), data_columns(spec)), progress,
                          every)
        for note in chosen.notes:
            progress.say(note)
        state = _continued(ready, records, chosen) if resume else _begun(ready, records)
        if state.finished:
            metrics.note(state.iteration, state.step, Ending.FINISHED.value, finished_message(state), stage=state.stage)
            return _result(folder, state, Ending.FINISHED, f"this run had {finished_message(state)}")
        loop = Loop(ready.world, ready.engine, ready.objectives, ready.steps, state, records, wish, stop_after)
        try:
            ending, message = loop.run()
        except RunError:
            write_report(folder)
            raise
        metrics.note(state.iteration, state.step, ending.value, _lasting(ending, message), stage=state.stage)
        return _result(folder, state, ending, message)


def _lasting(ending: Ending, message: str) -> str:
    return "" if ending is Ending.INTERRUPTED else message


def _judged(ready: Ready) -> list[str]:
    """What judges are asked at most."""
    return [bound.line for bound in bounds_of(ready.world.spec, ready.steps)]


def _begun(ready: Ready, records: Records) -> RunState:
    for line in _judged(ready):
        records.progress.say(line)
    _write_explanation(ready.world.spec, records.folder)
    return RunState.start(ready.world.spec)


def _continued(ready: Ready, records: Records, chosen: Chosen) -> RunState:
    """Weights, optimizers and state of the last whole checkpoint; what was written after it is dropped."""
    folder = records.folder
    for line in (*_placement_changes(folder.parameters, chosen), *folder.environment_changes()):
        records.progress.say(f"changed since the run began, so numbers may differ: {line}")
    found: LoadedCheckpoint | None = latest_checkpoint(folder.checkpoints, warn=records.progress.say)
    if found is None:
        records.metrics.truncate(0)
        records.rollouts.truncate(-1)
        return _begun(ready, records)
    content: Mapping[str, Any] = found.state
    ready.engine.read(found)
    records.metrics.truncate(int(content["metrics_bytes"]))
    records.rollouts.truncate(found.iteration)
    discard_after(folder.checkpoints, found.iteration)
    records.automatic, records.saved_at = list(content["automatic"]), found.iteration
    state = RunState.from_plain(content)
    ready.world.failures.counts.update(state.failures)
    return state


def _placement_changes(began: Mapping[str, Any], chosen: Chosen) -> Iterator[str]:
    """What was chosen otherwise when the run began."""
    now = {"device": chosen.placement.device.type, "backend": chosen.backend, "dtype": chosen.placement.dtype_name}
    for name, assumed in (("device", "cpu"), ("backend", "numba"), ("dtype", "fp32")):
        if began.get(name, assumed) != now[name]:
            yield f"{name} {began.get(name, assumed)} -> {now[name]}"


def _write_explanation(spec: Spec, folder: RunFolder) -> None:
    """The equations that will run, for the report."""
    from rldsl.explain.followers import follower_lines
    from rldsl.explain.report import as_document
    document = as_document(spec)
    document["followers"] = follower_lines(spec)
    for objective in document["objectives"]:
        objective["equation"] = "\n".join(_equation_lines(objective["terms"]))
    folder.write_text("explain.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _equation_lines(terms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    definitions: dict[str, str] = {}
    for term in terms:
        yield f"{term['direction']} {term['label']} = {term['text']['equation']}"
        definitions |= term["text"]["definitions"]
    yield from (f"  {name} = {right}" for name, right in definitions.items())


def _result(folder: RunFolder, state: RunState, ending: Ending, message: str) -> RunResult:
    report = write_report(folder)
    difference = None if math.isnan(state.logp_difference) else state.logp_difference
    return RunResult(ending, message, folder.path, state.iteration, state.step, dict(state.last), difference, report)
