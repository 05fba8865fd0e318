"""Judges that a training run declares: loaded or left alone, nothing of them in the run folder that should not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.rewards.judging.judge import Judges
from rldsl.rewards.judging.local import loader
from rldsl.train.engine import load_models
from tests.judging.given import KEY
from tests.train.specs import WHOLE, lines_of, project_of, run, spec_of

JUDGES = '''
judge far from openai(model: "m", base_url: env("JUDGE_URL"), key: env("JUDGE_KEY"))
judge own = actor with { max_tokens: 8, system: "ab" }
judge old = frozen(actor) { max_tokens: 8 }
judge apart from hf("models/judge")
'''


def test_judges_that_nobody_asks_change_nothing_and_need_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_URL", raising=False)
    monkeypatch.setenv("JUDGE_KEY", KEY)
    run(WHOLE, tmp_path, out="without", seed=3)
    run(WHOLE + JUDGES, tmp_path, out="with", seed=3)
    assert lines_of(tmp_path / "with")[1:] == lines_of(tmp_path / "without")[1:]
    names = {path.name for path in tmp_path.glob("with/checkpoints/*/models/*")}
    assert names == {"actor"}
    assert all(KEY.encode() not in path.read_bytes() for path in (tmp_path / "with").rglob("*") if path.is_file())


def test_a_judge_of_trained_weights_is_the_policy_itself(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project")
    spec = spec_of(WHOLE + JUDGES, project)
    models = load_models(spec, project, 0)
    assert set(models) == {"actor", "own"}
    with Judges(spec.models, keep=None, load=loader({entry.name: entry for entry in spec.models}, seed=0, root=project,
                                                    loaded=models)) as judges:
        own, old = judges.of("own")._source, judges.of("old")._source
    assert own.model.module is models["actor"].module  # type: ignore[attr-defined]
    assert old.model.module is not models["actor"].module  # type: ignore[attr-defined]
    assert (own.identity is None, old.identity is None) == (True, False)
