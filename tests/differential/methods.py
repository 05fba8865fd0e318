"""Every method spec on the emitted CPU text, run as plain Python: its own tests, and its objectives against autograd on the spec.

`python -m tests.differential.methods [name …]`: prints what disagrees, and exits with 1 if something does. What numba makes of
such text is the business of compiled tests, which are far slower than what they compile here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"

import numpy as np
import torch

import rldsl.emit.combine
from rldsl.certify import random_inputs, random_layout
from rldsl.compiler import check_source
from rldsl.emit.combine import Combine
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.loading import project_loader
from rldsl.meaning import Meaning
from rldsl.passes import compile_objective
from rldsl.source import Source
from rldsl.testing.run import finite, run_test
from tests.differential.sweep import load_plain
from tests.differential.test_random_specs import close

FOLDER = Path(__file__).parents[2] / "examples" / "methods"


def faults(path: Path) -> Iterator[str]:
    """What disagrees in one spec."""
    spec = check_source(Source(path.name, path.read_text(encoding="utf-8")), project_loader(path.parent)).spec
    assert spec is not None, path
    for test in spec.tests:
        for entry in run_test(spec, test, "numba", path.parent).failures:
            yield f"{test.name}: {entry.expect.text}: {finite(entry.left)} against {finite(entry.right)}"
    for objective in spec.objectives if not spec.deferred else ():
        for seed in range(3):
            yield from disagreements(spec, objective, seed)


def disagreements(spec: Spec, objective: ObjectiveSpec, seed: int) -> Iterator[str]:
    """Coefficients and loss of the emitted text, against autograd on the spec's own graph."""
    random = np.random.default_rng(seed)
    staged = compile_objective(spec, objective)
    layout = random_layout(staged, random, 4)
    inputs = random_inputs(staged, layout, random)
    live = [*(read for group in staged.groups for read in group.reads), *staged.direct]
    reads = {entry.key: (-2 if entry.read.kind == "logp" else 1) * random.random(layout.size(entry.axis.name)) for entry in live}
    meaning, combine = Meaning(spec, objective), Combine(staged, "numba")
    expected = meaning.slopes(staged, layout, inputs, reads)
    prepared = combine.prepare(layout, inputs)
    found = combine.coefficients(layout, 0, layout.size(staged.piece_axis.name), inputs, prepared=prepared, reads=reads)
    by_coefficient = {entry.coefficient: entry.key for entry in live}
    for key, value in found.items():
        read = by_coefficient.get(key, key)
        if not close(value, expected[read]):
            yield f"{objective.name}, seed {seed}: d loss / d {staged.graph[read].operation}: {value} instead of {expected[read]}"
    loss = float(meaning.loss(staged, layout, inputs, {key: torch.from_numpy(value) for key, value in reads.items()}))
    value = combine.values(layout, inputs, prepared, reads)["loss"]
    if not close(np.array([value]), np.array([loss])):
        yield f"{objective.name}, seed {seed}: loss {value} instead of {loss}"


def main(names: list[str]) -> int:
    """How many specs disagree."""
    rldsl.emit.combine.load_module = load_plain
    paths = [path for path in sorted(FOLDER.glob("*.rl")) if not names or path.stem in names]
    failed = 0
    with np.errstate(all="ignore"):
        for path in paths:
            found = list(faults(path))
            failed += bool(found)
            for fault in found:
                print(f"{path.stem}: {fault}", flush=True)
    print(f"{len(paths)} specs, {failed} with faults")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
