"""`examples/scoring.rl` on the answers beside it: through the command line, with the numbers that the README shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rldsl
from tests.cli.conftest import Command
from tests.cli.conftest import rldsl as command  # noqa: F401

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEC, ANSWERS = EXAMPLES / "scoring.rl", EXAMPLES / "tasks" / "answers.jsonl"


def test_the_example_scores_the_answers_beside_it(tmp_path: Path) -> None:
    report = rldsl.score(SPEC, ANSWERS, out=tmp_path / "out")
    nodes = {entry.name: entry for entry in report.nodes}
    assert (report.count, report.groups, report.exit_status, report.refused) == (24, 6, 0, ())
    correct = nodes["correct"].distribution
    assert correct is not None and correct.mean == pytest.approx(14 / 24)
    assert (nodes["wording"].not_asked, nodes["wording"].failed) == (10, 0)  # of wrong answers nobody asks how they are said
    assert nodes["chatter"].kind == "held out" and nodes["chatter"].not_asked == 0
    assert nodes["said"].absent == 1  # `I cannot say without the timetable.` has no number


def test_the_example_answers_what_if_and_against(command: Command, tmp_path: Path) -> None:  # noqa: F811
    other = tmp_path / "other.rl"
    other.write_text(SPEC.read_text(encoding="utf-8").replace("= 0.5", "= 1"), encoding="utf-8")
    (tmp_path / "tasks").symlink_to(EXAMPLES / "tasks")
    out = tmp_path / "out"
    found = command("score", SPEC, ANSWERS, "--out", out, "--what-if", "manner = 0", "--against", other, "--json")
    assert found.status == 0, found.err
    document = json.loads(found.out)
    asked = {(entry["title"].split()[0], entry["name"]): entry for entry in document["comparisons"]}
    assert asked["what", "total"]["mean_after"] == pytest.approx(14 / 24)
    assert asked[str(SPEC), "total"]["groups"] == 6
    assert asked[str(SPEC), "correct"]["largest"] == []


def test_the_python_of_the_page_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    page = (EXAMPLES.parent / "docs" / "scoring.md").read_text(encoding="utf-8")
    code = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "examples").symlink_to(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "scoring.md", "exec"), {})
    said = [line.partition("# ")[2] for line in code.splitlines() if line.strip().startswith("print(")]
    assert capsys.readouterr().out.splitlines() == said


def test_what_the_pages_show_is_what_is_printed(command: Command, tmp_path: Path) -> None:  # noqa: F811
    found = command("score", SPEC, ANSWERS, "--out", tmp_path / "out", "--what-if", "form weight 0.1")
    printed = {" ".join(line.split()) for line in found.out.splitlines()}
    readme, changes = ((EXAMPLES.parent / name).read_text(encoding="utf-8") for name in ("README.md", "CHANGELOG.md"))
    table = readme.partition("examples/scoring.rl on examples/tasks/answers.jsonl")[2].partition("```")[0].splitlines()[1:]
    answer = changes.partition("what if form weight 0.1: total\n")[2].partition("```")[0].splitlines()
    shown = [" ".join(line.split()) for line in (*table, *answer) if line.strip() not in ("", "…")]
    assert len(shown) > 12
    assert [line for line in shown if line not in printed] == []
