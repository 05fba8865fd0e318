"""What README.md and the tour show is what happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rldsl.commands import app
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOUR = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for name, body in fenced if name == language]


SPEC = blocks(README, "rl")[0]
MISTAKES = {
    "RL301": SPEC.replace("k3", "k1"),
    "RL101": re.sub(r"mean\((clipped\(.*\))\)\n", r"\1\n", SPEC),
    "RL406": SPEC.replace("temperature: 1.0", "temperature: 0.6"),
}


def test_the_spec_of_the_readme_is_fine_and_formatted(rldsl: Command, project: Path) -> None:
    (project / "grpo.rl").write_text(SPEC, encoding="utf-8")
    assert rldsl("check", "grpo.rl").out == "grpo.rl: fine\n"
    assert rldsl("fmt", "--check", "grpo.rl").status == 0


@pytest.mark.parametrize("code", MISTAKES)
def test_mistakes_are_answered_as_the_readme_shows(rldsl: Command, project: Path, code: str, update_golden: bool) -> None:
    (project / "grpo.rl").write_text(MISTAKES[code], encoding="utf-8")
    [shown] = [block for block in blocks(README, "") if block.startswith(f"error[{code}]")]
    found = rldsl("check", "grpo.rl")
    assert found.status == 1
    answer = found.out.removesuffix("\ngrpo.rl: 1 error, 0 warnings\n")
    if update_golden:
        page = ROOT / "README.md"
        page.write_text(page.read_text(encoding="utf-8").replace(shown, answer), encoding="utf-8")
    else:
        assert answer == shown


@pytest.mark.slow
def test_the_python_of_the_readme_runs_and_prints_what_it_says(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    code = blocks(README, "python")[0]
    exec(compile(code, "README.md", "exec"), names)
    assert capsys.readouterr().out.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE) != []
    assert getattr(names["hidden"], "grad", None) is not None
    assert getattr(names["weight"], "grad", None) is not None


@pytest.mark.slow
def test_the_python_of_the_tour_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    task, embedding = blocks(TOUR, "python")
    names: dict[str, Any] = {}
    exec(compile(task, "tour.md", "exec"), names)
    assert [row["answer"] for row in names["words"](3, 0)] == [row["question"][2::-1] for row in names["words"](3, 0)]
    exec(compile(embedding, "tour.md", "exec"), names)
    assert names["objective"].staged.name == "grpo"
    assert list(names["reward"](["abc", "acb"], answer=["abc", "abc"])) == [1, 0]
    names["reward"].close()


@pytest.mark.slow
def test_the_task_of_the_tour_checks_and_loads(rldsl: Command, project: Path) -> None:
    [spec] = [block for block in blocks(TOUR, "rl") if "task:graded" in block]
    [module] = [block for block in blocks(TOUR, "python") if "def graded" in block]
    (project / "words.rl").write_text(spec, encoding="utf-8")
    (project / "task.py").write_text(module, encoding="utf-8")
    assert rldsl("check", "words.rl").out == "words.rl: fine\n"
    assert rldsl("fmt", "--check", "words.rl").status == 0
    assert rldsl("run", "words.rl", "--dry-run").out == "everything loads and compiles; nothing was trained\n"


def test_the_declarations_of_the_language_are_one_spec_that_checks(rldsl: Command, project: Path) -> None:
    [spec] = [block for block in blocks(LANGUAGE, "rl") if "train {" in block]
    (project / "every.rl").write_text(spec, encoding="utf-8")
    assert rldsl("check", "every.rl").out == "every.rl: fine\n"


def test_the_readme_names_every_command() -> None:
    names = {entry.name or getattr(entry.callback, "__name__", "") for entry in app.registered_commands}
    assert names == set(re.findall(r"^\| `rldsl (\w+) ", README, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
