"""`rldsl score` on the command line: tables, JSON, exit codes, what is said of a bad command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rldsl.scores.writing import ScoreFolder
from tests.cli.conftest import Command
from tests.cli.conftest import rldsl as rldsl  # noqa: PLC0414 - a fixture
from tests.scores.conftest import HEAD, ROWS, SPEC, write_rows


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`mine.rl` and `rows.jsonl` in the working directory."""
    (tmp_path / "mine.rl").write_text(SPEC, encoding="utf-8")
    write_rows(tmp_path / "rows.jsonl", ROWS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_tables_say_what_was_found(rldsl: Command, project: Path) -> None:
    found = rldsl("score", "mine.rl", "rows.jsonl")
    assert (found.status, found.err) == (0, "")
    lines = [" ".join(line.split()) for line in found.out.splitlines()]
    assert lines[0].startswith("mine.rl on rows.jsonl: 5 completions in 2 groups, ")
    assert "total y.sample 5 0 0 0 0.225 0.4366 0 0 0 0.125 1 █▁ ▁" in lines or any(
        line.startswith("total y.sample 5 0 0 0 0.225 0.4366 0 0 0 0.125 1") for line in lines)
    assert "total right term 76.2% 75.0%" in lines
    assert "total 2 1 50.0%" in lines
    assert lines[-1] == "written to scores/mine-rows"


def test_json_is_one_document_that_holds_the_comparisons(rldsl: Command, project: Path) -> None:
    found = rldsl("score", "mine.rl", "rows.jsonl", "--json", "--what-if", "weight = 0", "--jsonl")
    document = json.loads(found.out)
    assert (found.status, document["count"], document["comparisons"][0]["name"]) == (0, 5, "total")
    assert document["comparisons"][0]["mean_after"] == pytest.approx(0.2)
    rows = [json.loads(line) for line in (project / "scores/mine-rows/scores.jsonl").read_text().splitlines()]
    assert [row["total"] for row in rows] == [1, 0.125, 0, 0, 0]


def test_a_what_if_asks_the_folder_and_nobody_else(rldsl: Command, project: Path) -> None:
    assert rldsl("score", "mine.rl", "rows.jsonl").status == 0
    kept = ("scores.parquet", "nodes.parquet", "evidence.jsonl", "summary.json", "score.json")
    before = {name: Path("scores/mine-rows", name).stat().st_mtime_ns for name in kept}
    found = rldsl("score", "mine.rl", "rows.jsonl", "--what-if", "right weight 0; places weight 1")
    assert found.status == 0
    assert "mean 0.225 → 0.3" in found.out
    assert "coefficient of `right` in `total`: 0.75 → 0" in found.out
    lines = found.out.splitlines()
    assert lines[0] == "mine.rl on rows.jsonl: 5 completions in 2 groups, scored before"
    assert lines[-1] == "all values: scores/mine-rows/report.html, or the same command without a question"
    assert not {"values", "what it took", "what decides a reward", "correlations"} & {line.strip() for line in lines}
    assert {name: Path("scores/mine-rows", name).stat().st_mtime_ns for name in kept} == before


def test_a_what_if_of_what_was_not_scored_yet_prints_the_scores_first(rldsl: Command, project: Path) -> None:
    lines = [line.strip() for line in rldsl("score", "mine.rl", "rows.jsonl", "--what-if", "weight = 0").out.splitlines()]
    assert lines.index("values") < lines.index("written to scores/mine-rows") < lines.index("what if weight = 0: total")


def test_a_what_if_over_a_whole_folder_imports_no_torch(rldsl: Command, project: Path) -> None:
    """Whatever is asked of it: another weight, a parameter, a reward over the groups; and the report is written anew."""
    assert rldsl("score", "mine.rl", "rows.jsonl", "--quiet").status == 0
    page = project / "scores/mine-rows/report.html"
    before = page.stat().st_mtime_ns
    heavy = ("torch", "numba", "transformers", "tensorboard", "aiohttp")
    for change in ("right weight 0; places weight 1", "weight = 0.5", "total = right * places - std(right, per: prompt)"):
        code = (f"import sys; sys.argv = ['rldsl', 'score', 'mine.rl', 'rows.jsonl', '--quiet', '--what-if', {change!r}]\n"
                "from rldsl.cli import main\n"
                "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code, left.code\n"
                f"print([name for name in {heavy!r} if name in sys.modules])")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
        assert f"what if {change}: total" in done.stdout
        assert done.stdout.splitlines()[-1] == "[]"
    assert page.stat().st_mtime_ns > before


def test_a_second_scoring_runs_a_function_again_only_where_it_is_told_to(rldsl: Command, project: Path) -> None:
    (project / "mine.py").write_text("def judged(text):\n    open('asked', 'a').write(text + ' ')\n    return len(text) / 4\n")
    extern = 'extern fn judged(text: Text) -> Real in [0, 1] = python("mine:judged")\n'
    (project / "mine.rl").write_text(f"{SPEC}{extern}reward size = judged(y.text)\n", encoding="utf-8")
    for number, more in enumerate(((), (), ("--fresh",), ())):
        assert rldsl("score", "mine.rl", "rows.jsonl", "--out", f"out-{number}", *more).status == 0
    assert sorted((project / "asked").read_text().split()) == sorted(["ab", "ac", "b", "a"] * 2)


def test_other_specs_are_scored_beside(rldsl: Command, project: Path) -> None:
    (project / "other.rl").write_text(SPEC.replace("0.25", "0.75"), encoding="utf-8")
    found = rldsl("score", "mine.rl", "rows.jsonl", "--against", "other.rl")
    assert found.status == 0
    assert "mine.rl against other.rl: right\n  the same for each of 5 completions" in found.out
    assert "mean 0.225 → 0.275" in found.out
    assert (project / "scores/mine-rows/against/other/summary.json").exists()
    again = rldsl("score", "mine.rl", "rows.jsonl", "--against", "other.rl")
    assert again.status == 0 and "mean 0.225 → 0.275" in again.out


def test_an_interrupted_scoring_says_how_it_goes_on(rldsl: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(folder: ScoreFolder, part: int) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(ScoreFolder, "has_part", interrupted)
        found = rldsl("score", "mine.rl", "rows.jsonl")
        again = rldsl("score", "mine.rl", "rows.jsonl", "--replace")
    assert (found.status, found.out) == (130, "")
    assert "--resume goes on" in found.err
    assert "the same command with --resume, without --replace, goes on" in again.err
    assert rldsl("score", "mine.rl", "rows.jsonl", "--resume").status == 0


def test_a_folder_of_an_older_format_is_refused_until_it_is_replaced(rldsl: Command, project: Path) -> None:
    assert rldsl("score", "mine.rl", "rows.jsonl").status == 0
    identity = project / "scores/mine-rows/score.json"
    identity.write_text(json.dumps({**json.loads(identity.read_text()), "format": 1}))
    found = rldsl("score", "mine.rl", "rows.jsonl", "--what-if", "weight = 0")
    assert found.status == 1
    assert "scores/mine-rows holds other scores: of format 1, and this version writes format 2" in found.err
    assert "`--replace`" in found.err
    assert rldsl("score", "mine.rl", "rows.jsonl", "--replace", "--what-if", "weight = 0").status == 0


def test_a_judge_that_is_not_set_up_is_an_error_before_anything_is_scored(rldsl: Command, project: Path,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    judged = 'judge g from openai(model: "m", base_url: env("NOT_SET"))\nrubric fine judged by g { "It is fine" weight 1 }\n'
    (project / "judged.rl").write_text(f"{HEAD}{judged}reward style = fine(y.text, question: problems.question)\n")
    found = rldsl("score", "judged.rl", "rows.jsonl")
    assert (found.status, found.out) == (1, "")
    assert "NOT_SET" in found.err and "cannot be used" in found.err
    assert not (project / "scores/judged-rows/summary.json").exists()
    assert not (project / "scores/judged-rows/score.json").exists()


@pytest.mark.parametrize(("arguments", "status", "said"), [
    (["mine.rl", "no.jsonl"], 2, "there is no file no.jsonl"),
    (["no.rl", "rows.jsonl"], 1, "there is no such file"),
    (["mine.rl", "rows.jsonl", "--map", "answer"], 2, "`--map answer` says no column"),
    (["mine.rl", "rows.jsonl", "--map", "answer=a", "--map", "answer=b"], 2, "`answer` is mapped twice"),
    (["mine.rl", "rows.jsonl", "--group", "promt"], 2, "did you mean `prompt`"),
    (["mine.rl", "rows.jsonl", "--rollout", "z"], 2, "there is no rollout `z`"),
    (["mine.rl", "rows.jsonl", "--what-if", "louder"], 2, "`louder` is no what-if"),
    (["mine.rl", "rows.jsonl", "--what-if", "weight = 7"], 2, "`weight = 7` is no value of `weight`\n why: its type is Real"),
    (["mine.rl", "rows.jsonl", "--what-if", "foo weight 3"], 2, "fix: name one of them: `above`, `places`, "),
    (["mine.rl", "rows.jsonl", "--against", "no.rl"], 1, "no.rl cannot be compared with"),
    (["mine.rl", "rows.jsonl", "--set", "weight=7"], 1, ""),
    (["mine.rl", "rows.jsonl", "--replace", "--resume"], 2, "`--resume` and `--replace` together"),
    (["mine.rl", "rows.jsonl", "--limit", "0"], 2, ""),
])
def test_bad_commands_are_answered(rldsl: Command, project: Path, arguments: list[str], status: int, said: str) -> None:
    found = rldsl("score", *arguments)
    assert found.status == status
    assert said in found.err
    assert "Traceback" not in found.err


def test_faults_of_the_file_are_shown_with_their_lines(rldsl: Command, project: Path) -> None:
    (project / "bad.jsonl").write_text('{"completion": 1, "answer": "a"}\n{"completion": "a"}\n')
    found = rldsl("score", "mine.rl", "bad.jsonl")
    assert found.status == 1
    assert "bad.jsonl:1: `completion`: expected a text" in found.err
    assert "bad.jsonl:2: `answer` is missing" in found.err


def test_else_stop_without_a_value_is_exit_code_1_when_all_is_written(rldsl: Command, project: Path) -> None:
    (project / "strict.rl").write_text(HEAD + "reward number = verify.number(y.text) else stop\n", encoding="utf-8")
    found = rldsl("score", "strict.rl", "rows.jsonl")
    assert found.status == 1
    assert "5 completions without a value where the spec says `else stop`" in found.out
    assert (project / "scores/strict-rows/summary.json").exists()
