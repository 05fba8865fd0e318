"""A `test` may call what runs on the host: text functions, verifiers, and the extern functions of its spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.compiler import check_source
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.source import Source
from rldsl.testing.command import run_tests
from rldsl.testing.run import run_test
from rldsl.train.outcome import RunError

EXTERN = 'extern fn vowels(text: Text, weight: Real) -> Real in [0, 10] = python("words:vowels")\n'
MODULE = '''
def vowels(text, weight):
    if text == "crash":
        raise ValueError("no such word")
    return weight * sum(letter in "aeiou" for letter in text)
'''


def checked(text: str, folder: Path) -> Spec:
    (folder / "words.py").write_text(MODULE, encoding="utf-8")
    result = check_source(Source("mine.rl", text), project_loader(folder))
    assert result.spec is not None and not result.errors, [entry.title for entry in result.errors]
    return result.spec


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_a_test_calls_extern_functions_and_text_functions(backend: str, tmp_path: Path) -> None:
    spec = checked(EXTERN + '''
        fn scaled(text: Text, by: Real) -> Real = vowels(text, 2) * by
        test "calls" {
          let w = live([0.5, 2] @ sample)
          expect vowels("banana", 1) == 3
          expect scaled("banana", w) == [3, 12]
          expect gradient(sum(scaled("banana", w)), of: w) == [6, 6]
          expect vowels("one", [1, 2] @ sample) == [2, 4]
          expect text.ends_with("banana", "na") == 1
          expect verify.number("it is 12", 12) == 1
        }''', tmp_path)
    assert run_test(spec, spec.tests[0], backend, tmp_path).passed


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_texts_are_written_at_levels_and_a_majority_is_taken_over_them(backend: str, tmp_path: Path) -> None:
    spec = checked(EXTERN + '''
        test "texts" {
          let said = [["a", "b", "b"], ["i", absent], [absent]] @ sample
          let most = majority(said, per: prompt)
          let w = live([[1, 2, 3], [4, 5], [6]] @ sample)
          expect verify.equal(said, most) == [[0, 1, 1], [1, absent], [absent]]
          expect vowels(said + "e", 1) == [[2, 1, 1], [2, absent], [absent]]
          expect gradient(sum((verify.equal(said, most) else 0) * w), of: w) == [[0, 1, 1], [1, 0], [0]]
        }''', tmp_path)
    result = run_test(spec, spec.tests[0], backend, tmp_path)
    assert result.passed, [(entry.expect.text, entry.left, entry.right) for entry in result.failures]


@pytest.mark.parametrize(("written", "said"), [
    ('[1, "a"] @ sample', "numbers and texts in one list"), ('live(["a"] @ sample)', "texts have no gradient")])
def test_numbers_and_texts_do_not_mix_in_a_list_and_texts_are_not_live(written: str, said: str, tmp_path: Path) -> None:
    text = f'test "mixed" {{ let x = {written} expect verify.equal(x, x) == [1, 1] }}\n'
    result = check_source(Source("mine.rl", text), project_loader(tmp_path))
    assert [(entry.code, entry.title) for entry in result.errors] == [("RL040", said)]


def test_a_wrong_expectation_of_a_call_is_told_with_what_came_out(tmp_path: Path) -> None:
    spec = checked(EXTERN + 'test "wrong" { expect vowels("banana", 1) == 4 }', tmp_path)
    failure = run_test(spec, spec.tests[0], "torch", tmp_path).failures[0]
    assert (failure.left, failure.right) == ((3.0,), (4.0,))


def test_a_call_that_fails_fails_the_test_by_name(tmp_path: Path) -> None:
    spec = checked(EXTERN + 'test "broken" { expect vowels("crash", 1) == 0 }', tmp_path)
    with pytest.raises(RunError, match=r"`vowels` failed in the test \"broken\": .*no such word"):
        run_test(spec, spec.tests[0], "torch", tmp_path)


def test_the_command_finds_the_functions_beside_the_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = EXTERN + 'test "calls" { expect vowels("banana", 1) == 3 }\n'
    checked(text, tmp_path)
    (tmp_path / "mine.rl").write_text(text, encoding="utf-8")
    assert run_tests([str(tmp_path / "mine.rl")], "torch", as_json=False) == 0
    (tmp_path / "mine.rl").write_text(text.replace("banana", "crash"), encoding="utf-8")
    assert run_tests([str(tmp_path / "mine.rl")], "torch", as_json=False) == 1
    assert "no such word" in capsys.readouterr().err


def test_a_test_still_sees_no_reward_of_the_spec(tmp_path: Path) -> None:
    result = check_source(Source("mine.rl", 'let two = 2\ntest "sees" { expect two == 2 }\n'), project_loader(tmp_path))
    assert [entry.code for entry in result.errors] == ["RL027"]
