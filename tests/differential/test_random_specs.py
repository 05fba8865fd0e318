"""Random well-typed specs: the emitted CPU kernels, with passes on and off, against autograd on the spec's own graph.

`RLDSL_SPECS=2000` for the wide sweep. A failing spec is shrunk and shown; keep it in `tests/differential/kept/`, whose
specs always run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rldsl.compiler import check_source
from rldsl.diagnostics import InternalError
from rldsl.emit.combine import Combine
from rldsl.graph.spec import Spec
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.loading import library_only
from rldsl.meaning import Meaning
from rldsl.passes import compile_objective
from rldsl.source import Source
from tests.differential.random_specs import Tree, random_objective, smaller, spec_text

KEPT = Path(__file__).parent / "kept"
COUNT = int(os.environ.get("RLDSL_SPECS", "24"))
CHUNKS = 12
# Both sides compute in float64; sums of up to 40 numbers in another order, through up to 20 operations with slopes of up to
# e^3, leave 40 * 20 * e^3 * 2^-53 = 2e-12 of the largest number in play.
RELATIVE = 1e-10


def spec_of(text: str) -> Spec:
    """The spec; what checks say of its mathematics is not asked here."""
    result = check_source(Source("random.rl", text), library_only)
    structural = [entry for entry in result.errors if entry.code < "RL200"]
    assert not structural, (structural, text)
    assert result.spec is not None
    return result.spec


def layout_for(random: np.random.Generator) -> Layout:
    """Ragged, with single-sample groups, single-token and empty samples, and steps without tokens."""
    samples = random.integers(1, 5, random.integers(1, 4))
    tokens = random.integers(0, 5, samples.sum())
    tokens[-1] = max(tokens[-1], 1)  # an update batch holds a token
    steps = random.integers(1, 4, samples.sum())
    inside = [random.multinomial(held, np.full(count, 1 / count)) for held, count in zip(tokens, steps, strict=True)]
    return Layout.of({"d": "batch", "y.sample": "d", "y.token": "y.sample", "y.step": "y.sample"},
                     {"d": [len(samples)], "y.sample": samples, "y.token": tokens, "y.step": steps},
                     {"y.step": ("y.token", np.concatenate(inside))})


def given_for(staged: StagedObjective, layout: Layout, random: np.random.Generator,
              known: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray]]:
    """Inputs and reads of one staging; `known` shares them between stagings, by name and by read."""
    inputs = {}
    for given in staged.inputs:
        low, high = staged.graph[given.key].type.interval.low, staged.graph[given.key].type.interval.high
        low, high = max(low, -1.5), min(high, 1.5)
        size = layout.size(given.axis.name)
        inputs[given.name] = known.setdefault(f"{given.source}", low + (high - low) * random.random(size))
    reads = {}
    for live in [*(read for group in staged.groups for read in group.reads), *staged.direct]:
        size = layout.size(live.axis.name)
        reads[live.key] = known.setdefault(str(live.read), -2 * random.random(size) if live.read.kind == "logp"
                                           else 1.5 * random.random(size))
    return inputs, reads


def difference(text: str, seed: int, optimise: bool) -> str | None:
    """What disagrees, or what the emitted text raises, in a line; None if nothing does."""
    try:
        return disagreement(text, seed, optimise)
    except (ArithmeticError, LookupError, InternalError) as error:
        return f"{type(error).__name__}: {error}"


def disagreement(text: str, seed: int, optimise: bool) -> str | None:
    """What disagrees, in a line; None if nothing does."""
    spec = spec_of(text)
    objective = spec.objectives[0]
    random = np.random.default_rng(seed)
    layout = layout_for(random)
    staged = compile_objective(spec, objective, optimise=optimise)
    inputs, reads = given_for(staged, layout, random, {})
    meaning = Meaning(spec, objective)
    expected = meaning.slopes(staged, layout, inputs, reads)
    combine = Combine(staged, "numba")
    prepared = combine.prepare(layout, inputs)
    found = combine.coefficients(layout, 0, layout.size(staged.piece_axis.name), inputs, prepared=prepared, reads=reads)
    by_coefficient = {live.coefficient: live.key
                      for live in [*(read for group in staged.groups for read in group.reads), *staged.direct]}
    for key, value in found.items():
        read = by_coefficient.get(key, key)
        if not close(value, expected[read]):
            return f"d loss / d {staged.graph[read].operation}: {value} instead of {expected[read]}"
    import torch
    loss = float(meaning.loss(staged, layout, inputs, {key: torch.from_numpy(value) for key, value in reads.items()}))
    values = combine.values(layout, inputs, prepared, reads)
    return None if close(np.array([values["loss"]]), np.array([loss])) else f"loss: {values['loss']} instead of {loss}"


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal to rounding; both absent, or both infinite in one direction, is equal."""
    scale = max(1.0, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)))
    with np.errstate(invalid="ignore"):
        same = (found == expected) | (np.isnan(found) & np.isnan(expected)) | (np.abs(found - expected) <= RELATIVE * scale)
    return bool(np.all(same))


def shrunk(terms: tuple[Tree, ...], seed: int, optimise: bool) -> tuple[Tree, ...]:
    """The smallest objective on the way down that still fails."""
    improved = True
    while improved:
        improved = False
        for candidate in smaller(terms):
            if difference(spec_text(candidate), seed, optimise) is not None:
                terms, improved = candidate, True
                break
    return terms


@pytest.mark.wide(1)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_specs_agree_with_their_meaning_with_passes_on_and_off(chunk: int) -> None:
    for seed in range(chunk, COUNT, CHUNKS):
        terms = random_objective(seed)
        for optimise in (True, False):
            found = difference(spec_text(terms), seed, optimise)
            if found is not None:
                least = spec_text(shrunk(terms, seed, optimise))
                pytest.fail(f"seed {seed}, passes {'on' if optimise else 'off'}: {difference(least, seed, optimise)}\n{least}")


@pytest.mark.wide(1)
@pytest.mark.parametrize("path", sorted(KEPT.glob("*.rl")), ids=lambda path: path.stem)
def test_specs_that_once_failed_agree(path: Path) -> None:
    for seed in range(3):
        for optimise in (True, False):
            assert difference(path.read_text(encoding="utf-8"), seed, optimise) is None


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(4))
def test_two_thousand_random_specs_agree_as_plain_python(chunk: int, tmp_path: Path) -> None:
    each = int(os.environ.get("RLDSL_SWEEP", "2000")) // 4
    ran = subprocess.run([sys.executable, "-W", "ignore", "-m", "tests.differential.sweep", str(1000 + chunk * each),
                          str(1000 + (chunk + 1) * each)], capture_output=True, text=True, timeout=1800, check=False,
                         cwd=Path(__file__).parents[2], env={**os.environ, "RLDSL_CACHE": str(tmp_path)})
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert f"{each} specs, 0 failures" in ran.stdout
