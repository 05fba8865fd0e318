"""What judges would take, before any is asked: against what they are asked then, and against sums by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rldsl import estimate
from rldsl.checking import compiled_spec
from rldsl.rewards.judging.forecast import Estimate, Forecast, seconds_of
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.judging.settings import JudgeSettings
from rldsl.rewards.outcome import Cost
from rldsl.scores.faults import ScoreError
from rldsl.scores.reading import Given
from rldsl.scores.session import Request, estimate_spec, score_spec
from tests.cli.conftest import Command
from tests.cli.conftest import rldsl as rldsl  # noqa: PLC0414 - a fixture
from tests.judging.server import JudgeServer
from tests.scores.conftest import HEAD, Score, write_rows
from tests.scores.test_judged import ROWS, RUBRIC

JUDGE = 'judge grader from openai(model: "judge", base_url: env("JUDGE_URL"))'
QUESTIONS = HEAD + JUDGE + ' { SETTINGS }\n' + """
rubric clear judged by grader { "It names the letter a" weight 1  "It is polite" weight 1  ASK }
reward right = verify.equal(y.text, problems.answer)
"""
GATED = HEAD + JUDGE + """
rubric strict judged by grader { "It is on the question" gate  "It names the letter a" weight 2 }
reward total = strict(y.text, question: problems.question)
"""
TWO = HEAD + JUDGE + """
judge other from openai(model: "other", base_url: env("JUDGE_URL"))
rubric clear judged by grader { "It names the letter a" weight 1 }
rubric kind judged by other { "It is kind" weight 1 }
reward total = clear(y.text) * (1 - kind(y.text))
"""
PREFERRED = HEAD + JUDGE + """
rubric clear judged by grader { "It names the letter a" weight 1 }
reward wins = mean(prefer(clear, y.text, others(y.text, per: prompt)), per: sample) else 0.5
"""
CUT = HEAD + JUDGE + """
judge cutter from openai(model: "cutter", base_url: env("JUDGE_URL"))
let steps = split(y.text, by: cutter)
rubric clear judged by grader { "It names the letter a" weight 1 }
reward sound = min(clear(steps), per: sample) else 0
"""
LONG = [{"prompt": "q", "answer": "a", "completions": ["a\nb\nc", "a b", "a\nb"]}]


def questions(*, ask: str = "", settings: str = "", total: str = "right * clear(y.text)") -> str:
    """A spec with one rubric."""
    text = QUESTIONS.replace("ASK", ask).replace("{ SETTINGS }", f"{{ {settings} }}" if settings else "")
    return f"{text}reward total = {total}\n"


def with_function(total: str = "right * clear(y.text)") -> str:
    """A spec whose verifier is a function of the project, `rules:fine`."""
    return questions(total=total).replace("reward right = verify.equal(y.text, problems.answer)", """\
extern fn fine(text: Text) -> Bool = python("rules:fine")
reward right = where(fine(y.text), 1, 0)""")


def estimated(tmp_path: Path, spec: str, rows: list[dict[str, Any]] = ROWS, **more: Any) -> Estimate:
    """By the API, over rows."""
    return estimate(spec, write_rows(tmp_path / "estimated.jsonl", rows), project=tmp_path, **more)


def of(estimate: Estimate, judge: str = "grader") -> Forecast:
    """Of one judge."""
    return next(entry for entry in estimate.judges if entry.judge == judge)


def test_an_estimate_is_what_is_asked_then_and_sends_and_writes_nothing(score: Score, server: JudgeServer,
                                                                        tmp_path: Path) -> None:
    """a, b, a and c, b: right are a, a, c, of which two are one text."""
    found = of(estimated(tmp_path, RUBRIC))
    assert (found.most.calls, found.least.calls, found.kept) == (2, 2, 0)
    assert found.most.tokens_out == 2 * 512
    assert not server.calls and not (tmp_path / "cache").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["estimated.jsonl"]
    score(ROWS, RUBRIC)
    assert len(server.calls) == 2
    after = of(estimated(tmp_path, RUBRIC))
    assert (after.most, after.kept) == (Cost(), 2) and len(server.calls) == 2


def test_tokens_and_money_are_bounded_by_the_bytes_that_are_sent(score: Score, server: JudgeServer,
                                                                 tmp_path: Path) -> None:
    """A token for each byte of the texts and 64 for the chat form; prices are for a million."""
    spec = questions(settings="max_tokens: 100, price_in: 2, price_out: 10")
    found = of(estimated(tmp_path, spec))
    score(ROWS, spec)
    tokens_in = sum(64 + len(call.system.encode()) - len("\n\n") + len(call.user.encode()) for call in server.calls)
    assert (found.most.tokens_in, found.most.tokens_out) == (tokens_in, 200)
    assert found.most.money == pytest.approx((2 * tokens_in + 10 * 200) / 1e6)


@pytest.mark.parametrize(("ask", "calls"), [("", 2), ("ask: each", 4), ("votes: 3 votes_by: mean", 6),
                                            ("ask: each votes: 3 votes_by: mean", 12)])
def test_votes_and_single_criteria_are_questions_of_their_own(score: Score, server: JudgeServer, tmp_path: Path,
                                                              ask: str, calls: int) -> None:
    spec = questions(ask=ask)
    found = of(estimated(tmp_path, spec))
    assert (found.most.calls, found.least.calls) == (calls, calls)
    score(ROWS, spec)
    assert len(server.calls) == calls


def test_asking_all_counts_what_decides_nothing_too(tmp_path: Path, server: JudgeServer) -> None:
    """a and b of the first prompt, c and b of the second: the question is not shown, so b is one text."""
    spec = questions(total="right * style").replace("reward total", "reward style = clear(y.text)\nreward total")
    assert of(estimated(tmp_path, spec)).most.calls == 2
    assert of(estimated(tmp_path, spec, ask_all=True)).most.calls == 3


def test_behind_a_judge_an_estimate_is_a_bound(score: Score, server: JudgeServer, tmp_path: Path) -> None:
    """Four texts with their questions, each asked for its gate, and at most each for the rest."""
    found = of(estimated(tmp_path, GATED))
    assert (found.most.calls, found.least.calls, found.is_bound) == (8, 4, True)
    score(ROWS, GATED)
    assert 4 < len(server.calls) < 8  # the stand-in closes some gates
    after = of(estimated(tmp_path, GATED))
    assert (after.most.calls, after.kept) == (0, len(server.calls))  # what the kept gates say is known


def test_two_judges_that_do_not_wait_for_each_other_are_both_asked(score: Score, server: JudgeServer,
                                                                   tmp_path: Path) -> None:
    found = estimated(tmp_path, TWO)
    score(ROWS, TWO)
    for name, model in (("grader", "judge"), ("other", "other")):
        calls = sum(call.body["model"] == model for call in server.calls)
        assert of(found, name).least.calls <= calls <= of(found, name).most.calls == 3


def test_both_orders_of_a_pair_are_asked_once(score: Score, server: JudgeServer, tmp_path: Path) -> None:
    """a, b, a: a against b both ways, and nobody about two equal texts; c against b both ways."""
    assert of(estimated(tmp_path, PREFERRED)).most.calls == 4
    score(ROWS, PREFERRED)
    assert len(server.calls) == 4


def test_steps_that_a_judge_is_to_find_are_taken_as_the_finest(score: Score, server: JudgeServer, tmp_path: Path) -> None:
    """Lines: a, b, c; a; a, b. Of `a b`, one part, nobody is asked where its steps begin; its one step is judged at all events."""
    found = estimated(tmp_path, CUT, LONG)
    assert (of(found, "cutter").most.calls, of(found, "cutter").least.calls) == (2, 2)
    assert (of(found).most.calls, of(found).least.calls) == (4, 0)  # of a, b, c, and a b
    score(LONG, CUT)
    assert sum(call.body["model"] == "cutter" for call in server.calls) == 2
    assert 0 < sum(call.body["model"] == "judge" for call in server.calls) <= 4


def test_a_function_of_the_project_is_not_run_and_what_it_gates_counts(score: Score, server: JudgeServer, tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text("from pathlib import Path\n\ndef fine(text):\n"
                                       f"    Path({str(tmp_path / 'ran')!r}).touch()\n    return text == 'a'\n")
    spec = with_function()
    found = estimated(tmp_path, spec)
    assert (of(found).most.calls, of(found).least.calls) == (3, 0)
    assert found.not_run == ("rules:fine",) and not (tmp_path / "ran").exists()
    score(ROWS, spec)
    assert (tmp_path / "ran").exists() and len(server.calls) == 1


def test_what_a_function_of_the_project_said_before_is_taken_from_the_disk(server: JudgeServer, tmp_path: Path) -> None:
    """The text is a in two places; the function says so, and its answers are kept by the command alone."""
    (tmp_path / "rules.py").write_text("def fine(text):\n    return text == 'a'\n")
    spec = tmp_path / "spec.rl"
    spec.write_text(with_function())
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    request = Request(compiled_spec(spec, "spec"), tmp_path, Given(rows), tmp_path / "out", keep=Keep())
    score_spec(request)
    other = Request(compiled_spec(spec.read_text().replace("is polite", "is kind"), "spec", tmp_path), tmp_path, Given(rows),
                    tmp_path, keep=Keep())
    found = of(estimate_spec(other)[1])
    assert (found.most.calls, found.least.calls) == (1, 1)


def test_what_is_asked_about_a_text_that_only_a_call_gives_is_said_and_not_counted(server: JudgeServer, tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text("def clean(text):\n    return text.strip()\n")
    spec = HEAD + JUDGE + """
extern fn clean(text: Text) -> Text = python("rules:clean")
rubric clear judged by grader { "It names the letter a" weight 1 }
reward total = clear(clean(y.text))
"""
    found = of(estimated(tmp_path, spec))
    assert (found.most.calls, found.untold, found.asks) == (0, 5, True)


def test_a_reward_model_that_gates_is_not_read(server: JudgeServer, tmp_path: Path) -> None:
    spec = HEAD + JUDGE + """
scorer rm from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcq>"))
rubric clear judged by grader { "It names the letter a" weight 1 }
reward total = where(score(rm, y) > 1000, clear(y.text), 0) + 0 * y.length
"""
    found = estimated(tmp_path, spec, [{**row, "prompt": "q"} for row in ROWS])
    assert (of(found).most.calls, of(found).least.calls, found.not_run) == (3, 0, ("rm",))


def test_rates_alone_make_calls_last() -> None:
    """100 calls at 20 a minute: 20 at once, the other 80 in four minutes; 9,000 tokens at 6,000 a minute: half a minute."""
    cost = Cost(100, 8000, 1000)
    assert seconds_of(JudgeSettings(requests_per_minute=20), cost) == 240
    assert seconds_of(JudgeSettings(tokens_per_minute=6000), cost) == 30
    assert seconds_of(JudgeSettings(requests_per_minute=20, tokens_per_minute=6000), cost) == 240
    assert seconds_of(JudgeSettings(requests_per_minute=1000), cost) == 0 == seconds_of(JudgeSettings(), cost)
    assert Forecast("grader", cost, cost, connections=16).rounds == 7


def test_a_dry_run_says_what_is_to_come(rldsl: Command, server: JudgeServer, tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.rl").write_text(questions(settings="most_calls: 1, requests_per_minute: 1, connections: 1"))
    write_rows(Path("rows.jsonl"), ROWS)
    found = rldsl("score", "mine.rl", "rows.jsonl", "--dry-run")
    assert found.status == 0 and not server.calls and sorted(path.name for path in tmp_path.iterdir()) == ["mine.rl", "rows.jsonl"]
    tokens = of(estimated(tmp_path, Path("mine.rl").read_text())).most.tokens_in
    assert found.out.splitlines()[-4:] == [
        "mine.rl on rows.jsonl: 5 completions; nothing was sent, nothing was written",
        f"judge `grader`: 2 calls; at most {tokens:,} tokens in and 1,024 out",
        "  time: at most 2 answers one after the other at each of 1 connection; its rates alone make that last up to 60.0 s",
        f"  budget: `most_calls: 1` may not last: 2 calls of at most {tokens + 1024} tokens are to come"]
    said = json.loads(rldsl("score", "mine.rl", "rows.jsonl", "--dry-run", "--json").out)
    assert (said["completions"], said["lasts"], said["judges"][0]["most"]["calls"], said["judges"][0]["rounds"]) == (5, False, 2, 2)


def test_scoring_says_it_before_it_asks(rldsl: Command, server: JudgeServer, tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.rl").write_text(questions())
    write_rows(Path("rows.jsonl"), ROWS)
    found = rldsl("score", "mine.rl", "rows.jsonl")
    assert found.err.startswith("judge `grader`: 2 calls; at most ") and len(server.calls) == 2
    again = rldsl("score", "mine.rl", "rows.jsonl", "--replace")
    assert "judge" not in again.err and len(server.calls) == 2  # everything is kept
    assert "judge" not in rldsl("score", "mine.rl", "rows.jsonl", "--replace", "--quiet").err


def test_a_dry_run_of_what_asks_nobody_says_so(rldsl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.rl").write_text(HEAD + "reward right = verify.equal(y.text, problems.answer)\n")
    write_rows(Path("rows.jsonl"), ROWS)
    assert rldsl("score", "mine.rl", "rows.jsonl", "--dry-run").out.splitlines()[-1] == "no judge is asked"


def test_a_judge_that_cannot_be_asked_is_said_by_a_dry_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_URL", raising=False)
    with pytest.raises(ScoreError, match="environment variable JUDGE_URL, which is not set"):
        estimated(tmp_path, RUBRIC)


@pytest.mark.parametrize("option", ["--what-if=right weight 2", "--replace", "--out=x"])
def test_a_dry_run_takes_nothing_that_scores(rldsl: Command, tmp_path: Path, option: str,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.rl").write_text(HEAD + "reward right = verify.equal(y.text, problems.answer)\n")
    write_rows(Path("rows.jsonl"), ROWS)
    found = rldsl("score", "mine.rl", "rows.jsonl", "--dry-run", option)
    assert found.status == 2 and "is for scoring; --dry-run scores nothing" in found.err.replace("│", "").replace("\n", " ")
