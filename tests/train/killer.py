"""Runs a spec in child processes that are killed: `python -m tests.train.killer PROJECT OUT SPEC MOMENTS`.

`MOMENTS` are JSON: a number kills so many seconds after the start, a text before the so-manieth call of a function of
the run folder's writers (`"write_manifest:2"`). After the last of them the run is left to finish. This process imports
everything and runs nothing itself, so that a fork is a fresh start.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

import rldsl.train.checkpoint as checkpoints
import rldsl.train.rollout_log as rollouts
from rldsl.train import records
from rldsl.train.folder import holds_run
from rldsl.train.runner import run_spec
from tests.train.specs import spec_of

WRITERS: dict[str, Any] = {"write_manifest": checkpoints, "_put": checkpoints, "_fill": checkpoints,
                           "save_checkpoint": records, "write_atomically": rollouts}


def main(project: Path, out: Path, text: str, moments: list[float | str]) -> int:
    """0 once the run has finished."""
    torch.set_num_threads(1)
    for moment in [*moments, None]:
        child = os.fork()
        if child == 0:
            train(project, out, text, moment)
        _, status = os.waitpid(child, 0)
        print(f"{moment}: {'finished' if status == 0 else f'status {status}'}", flush=True)
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
    return 1


def train(project: Path, out: Path, text: str, moment: float | str | None) -> None:
    """Never returns."""
    if isinstance(moment, str):
        die_at(moment)
    elif moment is not None:
        threading.Thread(target=die_after, args=(moment,), daemon=True).start()
    try:
        run_spec(spec_of(text, project), project=project, out=out, resume=holds_run(out), quiet=True, checkpoint_every=2)
    except BaseException as fault:
        print(f"{type(fault).__name__}: {fault}", file=sys.stderr, flush=True)
        os._exit(9)
    os._exit(0)


def die_after(seconds: float) -> None:
    """As a power cut would have it."""
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(moment: str) -> None:
    """Before a call of a writer."""
    name, _, count = moment.partition(":")
    module, left = WRITERS[name], [int(count)]
    original = getattr(module, name)

    def counted(*arguments: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    setattr(module, name, counted)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])))
