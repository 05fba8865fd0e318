"""Equal questions are asked once, from one thread or from many; a budget holds however many calls are under way."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

import pytest

from rldsl.rewards.judging.judge import Judges
from rldsl.rewards.judging.limits import Room
from rldsl.rewards.judging.protocol import tokens_bound
from rldsl.rewards.judging.question import Answered
from rldsl.rewards.judging.settings import JudgeError
from rldsl.rewards.outcome import Cost, Failure, FailureKind
from tests.judging.given import judge_at, question, questions
from tests.judging.server import JudgeServer, Says, Status, Verdict
from tests.judging.specs import model_of


def kinds(found: list[Answered | Failure]) -> list[str]:
    return [entry.kind.value if isinstance(entry, Failure) else "answered" for entry in found]


def test_equal_questions_of_a_batch_are_asked_once_and_one_bears_the_cost() -> None:
    with JudgeServer() as server, judge_at(server.url) as judge:
        found = judge.ask([question("a"), question("b"), question("a"), question("a")])
        assert len(server.calls) == 2
    first, second, third, fourth = [entry for entry in found if isinstance(entry, Answered)]
    assert first.value == third.value == fourth.value
    assert [entry.cost.calls for entry in (first, second, third, fourth)] == [1, 1, 0, 0]


def test_equal_questions_of_several_threads_are_asked_once() -> None:
    results: dict[int, list[Answered | Failure]] = {}
    with JudgeServer(latency=0.3) as server, judge_at(server.url) as judge:
        def ask(place: int) -> None:
            results[place] = judge.ask(questions(5))

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(server.calls) == 5
        assert judge.spent.calls == 5
    assert sum(entry.cost.calls for found in results.values() for entry in found if isinstance(entry, Answered)) == 5
    assert all(kinds(results[place]) == ["answered"] * 5 for place in range(4))


def test_no_question_is_no_call() -> None:
    with JudgeServer() as server, judge_at(server.url) as judge:
        assert judge.ask([]) == []
        assert judge.estimate([]) == Cost()
        assert server.calls == []


def test_the_calls_of_a_budget_are_never_exceeded_and_the_rest_says_so() -> None:
    with JudgeServer(latency=0.05) as server, judge_at(server.url, connections=16, most_calls=10) as judge:
        found = judge.ask(questions(40))
        assert len(server.calls) == 10
    assert (kinds(found).count("answered"), kinds(found).count("budget")) == (10, 30)
    refused = next(entry for entry in found if isinstance(entry, Failure))
    assert "`most_calls: 10` is reached; spent so far: 10 calls" in refused.message


def test_a_budget_is_shared_by_all_that_ask_in_a_run() -> None:
    with JudgeServer() as server, judge_at(server.url, most_calls=6) as judge:
        assert kinds(judge.ask(questions(5))) == ["answered"] * 5
        assert sorted(kinds(judge.ask(questions(9)[5:]))) == ["answered", "budget", "budget", "budget"]
        assert len(server.calls) == 6


def test_calls_under_way_reserve_what_they_may_take_and_give_back_what_they_did_not() -> None:
    bound = tokens_bound(question()) + 100
    with JudgeServer(latency=0.05) as server, judge_at(server.url, connections=8, max_tokens=100, most_tokens=2 * bound) as judge:
        found = judge.ask([question(f"{number:9}") for number in range(40)])
        spent = judge.spent.tokens_in + judge.spent.tokens_out
        assert server.largest <= 2  # two reserve all of it
        answered = kinds(found).count("answered")
    assert set(kinds(found)) == {"answered", "budget"}
    assert answered > 2  # they took less than they had reserved, and others went on with the rest
    assert 2 * bound - bound < spent <= 2 * bound


def test_money_is_counted_by_the_prices() -> None:
    with JudgeServer() as server, judge_at(server.url, connections=1, max_tokens=100, price_in=0.0, price_out=1e6,
                                           most_money=150.0) as judge:
        found = judge.ask(questions(20))
        assert judge.spent.money == judge.spent.tokens_out
        assert judge.spent.money <= 150
        assert len(server.calls) == kinds(found).count("answered") == judge.spent.calls
    # each reply takes about ten; a call reserves a hundred, so that none begins once fifty are spent
    assert 50 < judge.spent.money < 70


def test_tries_count_too() -> None:
    with JudgeServer(then=Status(500)) as server, judge_at(server.url, retries=5, most_calls=4) as judge:
        [found] = judge.ask([question()])
        assert len(server.calls) == 4
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.BUDGET


def test_an_estimate_is_at_least_what_is_taken() -> None:
    with JudgeServer() as server, judge_at(server.url, price_in=1.0, price_out=2.0, max_tokens=200) as judge:
        asked = [*questions(10), *questions(10)]
        estimate = judge.estimate(asked)
        assert server.calls == []
        judge.ask(asked)
    assert (estimate.calls, estimate.tokens_out) == (10, 2000)
    assert estimate.tokens_in == sum(tokens_bound(entry) for entry in questions(10))
    assert estimate.money == pytest.approx((estimate.tokens_in + 2 * 2000) / 1e6)
    assert judge.spent.tokens_in <= estimate.tokens_in
    assert judge.spent.money <= estimate.money


def test_what_a_budget_may_not_last_for_is_said_before() -> None:
    with JudgeServer() as server, judge_at(server.url, most_calls=10) as judge:
        assert judge.shortfall(questions(10)) is None
        assert "`most_calls: 10` may not last: 11 calls" in str(judge.shortfall(questions(11)))
        judge.ask(questions(4))
        assert judge.shortfall(questions(6)) is None
        assert judge.shortfall(questions(7)) is not None
        assert len(server.calls) == 4


def test_a_judge_of_a_run_is_opened_once_and_its_budget_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = model_of('judge grader from openai(model: "m", base_url: env("JUDGE_URL"), key: env("JUDGE_KEY")) { most_calls: 3 }')
    with JudgeServer([Verdict(usage=False)]) as server:
        monkeypatch.setenv("JUDGE_URL", server.url)
        monkeypatch.setenv("JUDGE_KEY", "sk-1")
        with Judges([spec], keep=None) as judges:
            assert judges.of("grader") is judges.of("grader")
            judges.of("grader").ask(questions(2))
            judges.of("grader").ask(questions(5)[2:])
            assert judges.spent["grader"].calls == len(server.calls) == 3


@pytest.mark.parametrize(("variables", "says"), [
    ({}, "its `base_url` is the environment variable JUDGE_URL, which is not set; `export JUDGE_URL=http://localhost:8000/v1`"),
    ({"JUDGE_URL": "http://h/v1"}, "its `key` is the environment variable JUDGE_KEY, which is not set"),
    ({"JUDGE_URL": "me:pw@host", "JUDGE_KEY": "k"}, "`base_url` is 'host', which is no address"),
    ({"JUDGE_URL": "http://[me:pw@host", "JUDGE_KEY": "k"}, "`base_url` is 'host', which is no address"),
    ({"JUDGE_URL": "ftp://me:pw@host/v1", "JUDGE_KEY": "k"}, "`base_url` is 'ftp://host/v1', which is no address"),
    ({"JUDGE_URL": "http://me:pw@host/v1", "JUDGE_KEY": "k"}, "is given one of them"),
    ({"JUDGE_URL": "http://host:99999/v1", "JUDGE_KEY": "k"}, "which is no address"),
    ({"JUDGE_URL": "http://h/v1", "JUDGE_KEY": "two words"}, "its key has blanks"),
])
def test_an_environment_that_lacks_something_says_what(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str],
                                                       says: str) -> None:
    for name in ("JUDGE_URL", "JUDGE_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spec = model_of('judge grader from openai(model: "m", base_url: env("JUDGE_URL"), key: env("JUDGE_KEY"))')
    with pytest.raises(JudgeError) as found, Judges([spec], keep=None) as judges:
        judges.of("grader")
    assert says in found.value.message
    assert "pw" not in found.value.message


def test_a_judge_that_is_forgotten_ends_its_thread_and_its_connections() -> None:
    with JudgeServer() as server:
        judge = judge_at(server.url)
        judge.ask(questions(4))
        name = "judge-grader"
        assert any(thread.name == name for thread in threading.enumerate())
        del judge
        gc.collect()
        assert not any(thread.name == name for thread in threading.enumerate())


def test_a_judge_that_is_closed_cannot_be_asked() -> None:
    with JudgeServer() as server:
        judge = judge_at(server.url)
        judge.ask(questions(1))
        judge.close()
        judge.close()
        with pytest.raises(RuntimeError, match="closed"):
            judge.ask(questions(2))


def test_asking_that_is_broken_off_ends_its_calls_and_leaves_nobody_waiting() -> None:
    with JudgeServer(latency=0.2) as server, judge_at(server.url, connections=2) as judge:
        asking = judge._source.answer(questions(500))
        next(asking)
        asking.close()  # type: ignore[attr-defined]
        time.sleep(0.5)
        count = len(server.calls)
        assert count < 20
        assert kinds(judge.ask(questions(3))) == ["answered"] * 3
        assert len(server.calls) <= count + 3
        assert judge.budget.reserve(Cost()) is Room.YES


def test_requests_and_tokens_a_minute_are_kept_to() -> None:
    bound = tokens_bound(question()) + 512
    for settings, count in (({"requests_per_minute": 120}, 124), ({"tokens_per_minute": 120 * bound}, 124)):
        with JudgeServer(then=Verdict(usage=False)) as server, judge_at(server.url, connections=64, **settings) as judge:
            assert kinds(judge.ask([question(f"{number:9}") for number in range(count)])) == ["answered"] * count
            times = [call.at for call in server.calls]
        assert times[-1] - times[0] >= 1.5  # 120 go at once, four more within two seconds; a first call may come late


def test_what_was_spent_in_vain_is_said_with_the_failure() -> None:
    script = [Says("no"), Says("no"), Verdict()]
    with JudgeServer(script) as server, judge_at(server.url, temperature=1.0, retries=1, connections=1) as judge:
        bad, again = judge.ask([question("a"), question("a")])
        [good] = judge.ask([question("b")])
        assert isinstance(bad, Failure) and isinstance(good, Answered)
        assert (bad.kind, bad.cost.calls, again.cost.calls, good.cost.calls) == (FailureKind.MALFORMED, 2, 0, 1)
        assert bad.cost + good.cost == judge.spent


def test_that_a_budget_may_not_last_is_said_once_before_anything_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with JudgeServer() as server, judge_at(server.url, most_calls=3) as judge:
        judge.ask(questions(2))
        assert capsys.readouterr().err == ""
        judge.ask(questions(9)[2:])
        judge.ask(questions(9)[2:])
    said = capsys.readouterr().err
    assert said.startswith("note: judge `grader`: `most_calls: 3` may not last: 7 calls of at most ")
    assert said.count("\n") == 1
