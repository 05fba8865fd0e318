"""The cache on disk: what is kept is asked once, by whatever process; a file that cannot be used is said and done without."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from rldsl.rewards.judging.judge import Judge
from rldsl.rewards.judging.keep import Keep, default_folder
from rldsl.rewards.judging.question import Answered, key_of
from rldsl.rewards.outcome import Cost, Failure
from tests.judging.given import KEY, judge_at, question, questions
from tests.judging.server import JudgeServer, Status, Verdict


def answers(judge: Judge, count: int) -> list[Answered]:
    found = [entry for entry in judge.ask(questions(count)) if isinstance(entry, Answered)]
    assert len(found) == count
    return found


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    with JudgeServer() as server:
        with Keep(tmp_path) as keep, judge_at(server.url, keep) as judge:
            first = answers(judge, 30)
        with Keep(tmp_path) as keep, judge_at(server.url, keep) as judge:
            assert judge.estimate(questions(30)) == Cost()
            second = answers(judge, 30)
            assert judge.spent == Cost()
        assert len(server.calls) == 30
    assert [entry.value for entry in first] == [entry.value for entry in second]
    assert (all(entry.kept for entry in second), {entry.cost for entry in second}) == (True, {Cost()})


@pytest.mark.parametrize("changed", [{"temperature": 0.5}, {"max_tokens": 99}, {"seed": 1}, {"top_p": 0.5}])
def test_what_changes_an_answer_is_part_of_its_key(tmp_path: Path, changed: dict[str, float]) -> None:
    with JudgeServer() as server, Keep(tmp_path) as keep:
        with judge_at(server.url, keep) as judge:
            judge.ask([question()])
        with judge_at(server.url, keep, **changed) as judge:
            judge.ask([question()])
        assert len(server.calls) == 2


@pytest.mark.parametrize("changed", [{"timeout": 9.0}, {"retries": 0}, {"connections": 2}, {"price_in": 1.0}])
def test_what_changes_no_answer_is_not(tmp_path: Path, changed: dict[str, float]) -> None:
    with JudgeServer() as server, Keep(tmp_path) as keep:
        for settings in ({}, changed):
            with judge_at(server.url, keep, **settings) as judge:
                judge.ask([question()])
        assert len(server.calls) == 1


def test_votes_are_kept_apart(tmp_path: Path) -> None:
    with JudgeServer() as server, Keep(tmp_path) as keep, judge_at(server.url, keep) as judge:
        judge.ask([question(draw=draw) for draw in (0, 1, 2)])
        judge.ask([question(draw=draw) for draw in (0, 1, 2)])
        assert len(server.calls) == 3


def test_failures_are_not_kept(tmp_path: Path) -> None:
    with JudgeServer([Status(400)]) as server, Keep(tmp_path) as keep, judge_at(server.url, keep) as judge:
        assert isinstance(judge.ask([question()])[0], Failure)
        assert isinstance(judge.ask([question()])[0], Answered)


def test_what_was_answered_before_a_break_is_kept(tmp_path: Path) -> None:
    script = [Verdict()] * 5
    with JudgeServer(script, then=Status(500)) as server, Keep(tmp_path) as keep:
        with judge_at(server.url, keep, retries=0, connections=1) as judge:
            judge.ask(questions(40))
        assert keep.count("judge") == 5


def _keep_many(folder: Path, worker: int) -> None:
    with Keep(folder) as keep:
        for number in range(100):
            keep.put("test", {key_of("test", worker, number): number})


@pytest.mark.slow
def test_many_processes_keep_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_keep_many, args=(tmp_path, worker)) for worker in range(3)]
    for process in workers:
        process.start()
    for process in workers:
        process.join(60)
    with Keep(tmp_path) as keep:
        assert keep.count() == 300
        wanted = {key_of("test", worker, number): number for worker in range(3) for number in range(100)}
        assert keep.get(wanted) == wanted


def test_a_broken_file_is_said_once_and_done_without(tmp_path: Path) -> None:
    (tmp_path / "kept.sqlite").write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    said: list[str] = []
    with JudgeServer() as server, Keep(tmp_path, say=said.append) as keep, judge_at(server.url, keep) as judge:
        answers(judge, 5)
        answers(judge, 5)
        assert len(server.calls) == 10
    [message] = said
    assert message.startswith("answers are not kept from here on:")
    assert "delete the file to begin anew" in message


def test_a_locked_file_is_waited_for_and_then_done_without(tmp_path: Path) -> None:
    with Keep(tmp_path) as keep:
        keep.put("test", {"a": 1})
    other = sqlite3.connect(tmp_path / "kept.sqlite", isolation_level=None)
    other.execute("begin exclusive")
    said: list[str] = []
    with Keep(tmp_path, patience=0.2, say=said.append) as keep:
        keep.put("test", {"b": 2})
        assert keep.get(["a"]) == {}
    other.close()
    assert "another process has held it for 0.2 s" in said[0]
    with Keep(tmp_path) as keep:
        assert keep.get(["a", "b"]) == {"a": 1}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    with Keep(tmp_path / "file" / "rewards", say=said.append) as keep:
        keep.put("test", {"a": 1})
    assert "RLDSL_CACHE" in said[0]


def test_a_kept_entry_that_is_something_else_is_asked_again(tmp_path: Path) -> None:
    with JudgeServer() as server, Keep(tmp_path) as keep, judge_at(server.url, keep) as judge:
        judge.ask([question()])
        keep._run(lambda database: database.execute("update kept set value = '[1]'"))
        [found] = judge.ask([question()])
        assert isinstance(found, Answered)
        assert (found.kept, len(server.calls)) == (False, 2)


def test_one_kind_or_all_can_be_forgotten(tmp_path: Path) -> None:
    with Keep(tmp_path) as keep:
        keep.put("judge", {"a": 1, "b": [1, {"text": "\ud800 \x00 é"}]})
        keep.put("similarity", {"c": 0.5})
        assert keep.get(["b", "c", "d"]) == {"b": [1, {"text": "\ud800 \x00 é"}], "c": 0.5}
        assert keep.clear("similarity") == 1
        assert (keep.count(), keep.clear(), keep.count()) == (2, 2, 0)


def test_the_key_of_a_server_is_not_on_disk(tmp_path: Path) -> None:
    with JudgeServer() as server, Keep(tmp_path) as keep, judge_at(server.url, keep) as judge:
        answers(judge, 3)
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_the_folder_is_the_one_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "rewards"
    monkeypatch.delenv("RLDSL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert default_folder() == tmp_path / "x" / "rldsl" / "rewards"
