"""Rows that a function of the project makes, and the puzzles of reasoning-gym."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rldsl.data.project import find_function, project_on_path
from tests.data.declare import Faults, Load

MAKERS = '''
import helper

def mappings(count=2):
    for index in range(count):
        yield {"n": index, "q": helper.name(index)}

def columns():
    return {"n": [1, 2], "q": ["a", "b"]}

def numbers():
    import numpy
    return {"n": numpy.arange(3), "x": numpy.linspace(0, 1, 3)}

def seeded(seed, offset=0):
    return [{"n": seed + offset}]

def ragged():
    return {"n": [1, 2], "q": ["a"]}

def wrong_value():
    return [{"n": 1}, {"n": "two"}]

def wrong_row():
    return [{"n": 1}, 2]

def nothing():
    return []

def no_rows():
    return 3

def raises():
    return [{"n": 1 // 0}]

def endless():
    number = 0
    while True:
        yield {"n": number}
        number += 1

def listed(names):
    return [{"q": name} for name in names]

def not_json():
    return [{"m": {"k": object()}}]

def surrogate():
    return [{"q": "\\ud83d"}]
'''


@pytest.fixture(autouse=True)
def makers(tmp_path: Path) -> None:
    """The project's own modules."""
    (tmp_path / "makers.py").write_text(MAKERS)
    (tmp_path / "helper.py").write_text("def name(index):\n    return f'row {index}'\n")


def test_a_generator_of_mappings_gives_rows(load: Load) -> None:
    rows = load("python", "q: Text, n: Int", "makers:mappings")
    assert rows["q"] == ["row 0", "row 1"]


def test_a_mapping_of_lists_gives_rows(load: Load) -> None:
    assert load("python", "q: Text, n: Int", "makers:columns")["q"] == ["a", "b"]


def test_numbers_of_numpy_are_numbers(load: Load) -> None:
    rows = load("python", "n: Int, x: Real", "makers:numbers")
    assert rows["n"].tolist() == [0, 1, 2]
    assert rows["x"].tolist() == [0.0, 0.5, 1.0]


def test_constants_and_the_seed_are_handed_over(load: Load) -> None:
    assert load("python", "n: Int", "makers:mappings", count=5)["n"].tolist() == [0, 1, 2, 3, 4]
    assert load("python", "n: Int", "makers:seeded", seed=7)["n"].tolist() == [7]
    assert load("python", "n: Int", "makers:seeded", seed=7, offset=10)["n"].tolist() == [17]
    assert load("python", "q: Text", "makers:listed", names=("a", "b"))["q"] == ["a", "b"]


def test_a_limit_ends_an_endless_generator(load: Load) -> None:
    assert len(load("python", "n: Int", "makers:endless", limit=10)) == 10


def test_the_path_and_the_modules_of_a_project_do_not_outlive_the_loading(load: Load) -> None:
    before = list(sys.path)
    load("python", "q: Text", "makers:mappings")
    assert sys.path == before
    assert "makers" not in sys.modules
    assert "helper" not in sys.modules


def test_a_folder_of_the_same_name_elsewhere_on_the_path_keeps_no_module_of_a_project(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes all such folders for one package, and forgets the places that left the path."""
    for folder in ("one/parts", "two", "elsewhere/parts"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "one/parts/first.py").write_text("def found(): return 1\n")
    (tmp_path / "two/parts.py").write_text("def found(): return 2\n")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    with project_on_path(tmp_path / "one"):
        assert find_function("parts.first:found")() == 1
    with project_on_path(tmp_path / "two"):
        assert find_function("parts:found")() == 2


def test_a_changed_module_is_read_again(load: Load, tmp_path: Path) -> None:
    (tmp_path / "changing.py").write_text("def rows():\n    return [{'n': 1}]\n")
    assert load("python", "n: Int", "changing:rows")["n"].tolist() == [1]
    (tmp_path / "changing.py").write_text("def rows():\n    return [{'n': 22}]\n")
    assert load("python", "n: Int", "changing:rows")["n"].tolist() == [22]


@pytest.mark.parametrize(("name", "message"), [
    ("ragged", "the columns have different lengths: `n` 2, `q` 1"),
    ("wrong_value", 'row 2: `n`: expected Int, found a Text ("two")'),
    ("wrong_row", "row 2: expected a mapping, found int"),
    ("nothing", "there are no rows"),
    ("no_rows", "expected rows (mappings) or a mapping of lists, found int"),
    ("raises", "raised ZeroDivisionError: integer division or modulo by zero (makers.py:34)"),
    ("colums", "there is no function `colums` in `makers`; did you mean `columns`?"),
    ("seeded", "there is no column `q`; there are `n`"),
])
def test_a_function_that_gives_no_rows_says_why(faults: Faults, name: str, message: str) -> None:
    fields = "q: Text" if name == "seeded" else "n: Int"
    assert faults("python", fields, f"makers:{name}") == [f"makers:{name}: {message}"]


def test_an_argument_that_a_function_does_not_take_is_named(faults: Faults) -> None:
    assert faults("python", "n: Int", "makers:columns", size=3) == [
        "makers:columns: does not take these arguments: got an unexpected keyword argument 'size'"]


def test_a_module_that_is_not_there_or_does_not_import_is_named(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nonsense_that_is_not_there\n")
    assert faults("python", "n: Int", "maker:rows") == [
        "maker:rows: there is no Python module `maker` in the project"]
    assert "No module named 'nonsense_that_is_not_there' (broken.py:1)" in faults(
        "python", "n: Int", "broken:rows")[0]
    assert 'is written "module:function"' in faults("python", "n: Int", "makers")[0]


def test_values_that_cannot_be_kept_are_refused(faults: Faults) -> None:
    assert faults("python", "m: Json", "makers:not_json") == [
        "makers:not_json: row 1: `m`: expected Json, found a Python `object` in it"]
    assert "half of a surrogate pair" in faults("python", "q: Text", "makers:surrogate")[0]


# ------------------------------------------------------------------ reasoning_gym
@pytest.mark.slow
def test_puzzles_have_a_question_an_answer_and_an_entry(load: Load) -> None:
    pytest.importorskip("reasoning_gym")
    fields = "question: Text, answer: Text, metadata: Json, entry: Json"
    rows = load("reasoning_gym", fields, "chain_sum", size=5)
    assert len(rows) == 5
    entry = rows["entry"][2]
    assert entry["answer"] == rows["answer"][2]
    assert entry["metadata"] == rows["metadata"][2]
    assert entry["metadata"]["source_dataset"] == "chain_sum"


def test_puzzles_follow_the_seed_of_the_run_or_their_own(load: Load) -> None:
    pytest.importorskip("reasoning_gym")
    first = load("reasoning_gym", "question: Text", "chain_sum", size=5, seed=1)["question"]
    assert load("reasoning_gym", "question: Text", "chain_sum", size=5, seed=1)["question"] == first
    assert load("reasoning_gym", "question: Text", "chain_sum", size=5, seed=2)["question"] != first


def test_a_task_is_configured_by_named_constants(load: Load, faults: Faults) -> None:
    pytest.importorskip("reasoning_gym")
    rows = load("reasoning_gym", "metadata: Json", "chain_sum", size=3, min_terms=2, max_terms=2)
    assert all(entry["num_terms"] == 2 for entry in rows["metadata"])
    assert "unexpected keyword argument 'terms'" in faults(
        "reasoning_gym", "question: Text", "chain_sum", size=3, terms=2)[0]


def test_an_unknown_task_is_named(faults: Faults) -> None:
    pytest.importorskip("reasoning_gym")
    assert faults("reasoning_gym", "question: Text", "chain_sums", size=3) == [
        "chain_sums: reasoning-gym has no task `chain_sums`; did you mean `chain_sum`?"]


def test_a_task_without_one_right_answer_has_none(faults: Faults, load: Load) -> None:
    pytest.importorskip("reasoning_gym")
    assert len(load("reasoning_gym", "question: Text, entry: Json", "graph_color", size=2)) == 2
    assert faults("reasoning_gym", "answer: Text", "graph_color", size=2)[0] == (
        "graph_color: row 1: `answer` is missing")
