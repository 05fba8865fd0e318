"""How often a clip acts: by hand, and in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rldsl.kernels.layout import Layout
from rldsl.meaning import Meaning
from rldsl.passes import compile_objective
from rldsl.program import CompiledObjective
from rldsl.train.clips import first_clip
from tests.train.specs import HEAD, ROLLOUT, WHOLE, numbers_of, project_of, run, spec_of

LAYOUT = Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                   {"problems": [1], "y.sample": [2], "y.token": [3, 3]})
RATIOS = np.array([0.5, 1.0, 1.5, 0.5, 1.1, 1.5])  # of an answer with advantage 1, and of one with -1


def shares(term: str, folder: Path) -> dict[str, float]:
    """Of six tokens."""
    text = HEAD + ROLLOUT + f"""
import std.surrogate (clipped, two_sided_clipped)
let a = places - mean(places, per: prompt)
objective main for actor {{
  let r = exp(logp(actor, y) - y.logp)
  {term}
}}
"""
    spec = spec_of(text, project_of(folder))
    clip = first_clip(spec, spec.objectives[0])
    assert clip is not None
    staged = compile_objective(spec, spec.objectives[0])
    given = {"a": np.array([1.0, -1.0]), "y_logp": np.full(6, -1.0)}
    batch = CompiledObjective(staged, "torch").batch(LAYOUT, {entry.name: given[entry.name] for entry in staged.inputs})
    for numbers in batch.reads.values():
        numbers[:] = np.log(RATIOS) - 1.0
    return clip.shares(Meaning(spec, spec.objectives[0]), batch)


@pytest.mark.parametrize(("term", "low", "high"), [
    ("maximize s: mean(clipped(r, a, 0.8 .. 1.2))", 1, 1),             # 0.5 where a < 0, 1.5 where a > 0
    ("minimize s: mean(max(-r * a, -clip(r, 0.8 .. 1.2) * a))", 1, 1),
    ("maximize s: mean(clipped(r, a, 0.4 .. 1.05))", 0, 1),
    ("maximize s: mean(clip(r, 0.8 .. 1.2) * a)", 2, 2),               # no minimum beside it: beyond both bounds
    ("maximize s: mean(two_sided_clipped(r, a, 0.8 .. 1.2, 3))", 1, 1),
])
def test_a_clip_is_counted_where_it_acts(term: str, low: int, high: int, tmp_path: Path) -> None:
    assert shares(term, tmp_path) == pytest.approx({
        "clip_ratio/low_mean": low / 6, "clip_ratio/high_mean": high / 6, "clip_ratio/region_mean": (low + high) / 6})


@pytest.mark.slow
def test_a_run_logs_the_shares_of_its_clip(tmp_path: Path) -> None:
    run(WHOLE.replace("minibatch: 4 prompts", "minibatch: 8 prompts, epochs: 4").replace("lr: 1e-2", "lr: 1e-1"), tmp_path)
    lines = numbers_of(tmp_path / "run")
    assert all(line["clip_ratio/region_mean"] == pytest.approx(line["clip_ratio/low_mean"] + line["clip_ratio/high_mean"])
               for line in lines)
    assert any(line["clip_ratio/region_mean"] > 0 for line in lines)


def test_an_objective_without_a_clip_of_a_ratio_logs_none(tmp_path: Path) -> None:
    spec = spec_of(HEAD + ROLLOUT + """
objective main for actor { maximize s: mean(logp(actor, y) * clip(places - mean(places, per: prompt), -0.5 .. 0.5)) }
""", project_of(tmp_path))
    assert first_clip(spec, spec.objectives[0]) is None
