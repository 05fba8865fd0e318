"""Every example that draws texts, through `rldsl score`: its rewards alone, on texts that somebody else wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

import rldsl
from rldsl.data.load import load_data
from rldsl.scores.plan import is_number
from tests.scores.conftest import write_rows

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.rl"))
DRAWING = [path for path in EXAMPLES if "\nreward " in (text := path.read_text(encoding="utf-8")) and "\nrollout " in text]
ROWS = 3


@pytest.mark.parametrize("path", DRAWING, ids=lambda path: path.stem)
def test_the_rewards_of_an_example_are_scored_on_given_texts(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))
    spec = rldsl.load(path).spec
    response = next(entry for entry in spec.responses if entry.is_sampled)
    data = next(entry for entry in spec.data if entry.axis == response.prompt_axis)
    found = load_data(data, project=path.parent, seed=0).select(range(ROWS))
    columns = {name: list(found[name]) for name in found.names}
    rows = [{name: column[place] for name, column in columns.items()} for place in range(ROWS)]
    texts = next(column for column in columns.values() if isinstance(column[0], str))
    file = write_rows(tmp_path / "rows.jsonl", ({**row, "completions": [text[:3], text[1:2]]} for row, text in
                                                zip(rows, texts, strict=True)))
    report = rldsl.score(path, file, out=tmp_path / "out", rollout=response.name)
    assert (report.count, report.groups, report.exit_status) == (2 * ROWS, ROWS, 0)
    for entry in report.nodes:
        assert entry.failed == 0, entry
    for reward in (entry for entry in spec.rewards if entry.name not in {entry.name for entry in report.refused}):
        kind = spec.graph[reward.key].type
        values = [value for value in report.kept.column(reward.name).to_pylist() if isinstance(value, float)]
        states = set(report.kept.column(f"{reward.name}.state").to_pylist())
        assert is_number(kind.element) and (values or states == {"not asked"})
        assert all(kind.interval.low - 1e-9 <= value <= kind.interval.high + 1e-9 for value in values)
