"""Parquet files and local dataset folders, in every layout that is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.declare import Faults, Load

Save = Callable[..., None]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write columns as a parquet file of the temporary project."""
    def saved(name: str = "rows.parquet", **columns: Any) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)

    return saved


def test_columns_have_the_declared_elements(load: Load, save: Save) -> None:
    save(q=["a", "b"], n=pa.array([1, 2], pa.int32()), x=pa.array([1, 2], pa.float32()), ok=[True, False],
         m=[{"k": [1]}, {"k": []}], big=pa.array([1, 2**62], pa.uint64()))
    rows = load("parquet", "q: Text, n: Int, x: Real, ok: Bool, m: Json, big: Int", "rows.parquet")
    assert rows["q"] == ["a", "b"]
    assert rows["n"].tolist() == [1, 2]
    assert rows["x"].tolist() == [1.0, 2.0]
    assert rows["ok"].tolist() == [True, False]
    assert rows["m"] == [{"k": [1]}, {"k": []}]
    assert rows["big"].tolist() == [1, 2**62]


def test_dictionaries_and_large_strings_are_texts(load: Load, save: Save) -> None:
    save(a=pa.array(["x", "y", "x"]).dictionary_encode(), b=pa.array(["u", "v", "w"], pa.large_string()))
    rows = load("parquet", "a: Text, b: Text", "rows.parquet")
    assert (rows["a"], rows["b"]) == (["x", "y", "x"], ["u", "v", "w"])


def test_whole_numbers_are_reals(load: Load, save: Save) -> None:
    save(x=[1, 2])
    assert load("parquet", "x: Real", "rows.parquet")["x"].tolist() == [1.0, 2.0]


def test_rows_of_verl_are_read_under_their_names(load: Load, save: Save) -> None:
    save(data_source=["gsm8k"], prompt=[[{"role": "user", "content": "2 + 2?"}]],
         reward_model=[{"style": "rule", "ground_truth": "4"}], extra_info=[{"index": 7}])
    fields = "prompt: Text, answer: Text, ground_truth: Text, data_source: Text, extra_info: Json"
    rows = load("parquet", fields, "rows.parquet")
    assert rows["prompt"] == ["2 + 2?"]
    assert rows["answer"] == rows["ground_truth"] == ["4"]
    assert rows["extra_info"] == [{"index": 7}]


def test_a_chat_of_several_messages_is_json(load: Load, faults: Faults, save: Save) -> None:
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    save(prompt=[chat])
    assert load("parquet", "prompt: Json", "rows.parquet")["prompt"] == [chat]
    assert "chat of 2 messages" in faults("parquet", "prompt: Text", "rows.parquet")[0]


def test_a_folder_and_a_pattern_mean_their_files_in_order(load: Load, faults: Faults, save: Save) -> None:
    save("data/b-2.parquet", n=[3])
    save("data/b-1.parquet", n=[1, 2])
    save("data/c.parquet", n=[9])
    assert load("parquet", "n: Int", "data")["n"].tolist() == [1, 2, 3, 9]
    assert load("parquet", "n: Int", "data/b-*.parquet")["n"].tolist() == [1, 2, 3]
    assert load("parquet", "n: Int", "data", limit=3)["n"].tolist() == [1, 2, 3]
    assert faults("parquet", "n: Int", "data/x-*.parquet") == ["data/x-*.parquet: there is no parquet file"]


@pytest.mark.parametrize(("fields", "columns", "message"), [
    ("n: Int", {"n": [1, None, 3]}, "row 2: `n` is missing"),
    ("q: Text", {"q": ["a", None]}, "row 2: `q` is missing"),
    ("n: Int", {"n": ["1"]}, 'row 1: `n`: expected Int, found a Text ("1")'),
    ("n: Int", {"n": [1.0, 1.5]}, "row 2: `n`: expected Int, found a Real (1.5)"),
    ("x: Real", {"x": [1.0, float("nan")]}, "row 2: `x`: expected Real, found nan"),
    ("x: Real", {"x": [float("inf")]}, "row 1: `x`: expected Real, found inf"),
    ("q: Text", {"q": ["a", "b\0"]}, "row 2: `q`: has a NUL character"),
    ("q: Text", {"q": [["a"]]}, "row 1: `q`: expected Text, found a list of 1; declare it `Json`"),
    ("q: Text", {"question": ["a"]}, "there is no column `q`; there are `question`"),
    ("qestion: Text", {"question": ["a"]}, "there is no column `qestion`; did you mean `question`?"),
    ("q: Text", {"q": pa.array([], pa.string())}, "there are no rows"),
])
def test_a_broken_column_says_what_is_wrong(faults: Faults, save: Save, fields: str,
                                            columns: dict[str, Any], message: str) -> None:
    save(**columns)
    assert faults("parquet", fields, "rows.parquet")[0] == f"rows.parquet: {message}"


def test_a_number_beyond_64_bits_is_refused(faults: Faults, save: Save) -> None:
    save(n=pa.array([2**63], pa.uint64()))
    assert faults("parquet", "n: Int", "rows.parquet") == [
        "rows.parquet: row 1: `n`: expected Int, found a number beyond 64 bits"]


def test_a_text_that_is_not_utf8_is_found_with_its_row(faults: Faults, tmp_path: Path) -> None:
    texts = pa.array([b"a", b"caf\xe9", b"c"], pa.binary()).cast(pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 3, texts.buffers())
    _write_stream(tmp_path / "state.arrow", pa.table({"q": broken}))
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "state.arrow"}]}))
    assert faults("hf", "q: Text", ".") == ["state.arrow: row 2: `q`: is not UTF-8"]


def test_a_file_that_is_no_parquet_is_named(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("no")
    assert faults("parquet", "q: Text", "rows.parquet")[0].startswith(
        "rows.parquet: is not a parquet file that can be read")


def test_a_wrong_row_far_behind_is_found(faults: Faults, save: Save) -> None:
    save(n=pa.array([*range(40_000), None]))
    assert faults("parquet", "n: Int", "rows.parquet") == ["rows.parquet: row 40001: `n` is missing"]


# ------------------------------------------------------------------ hf
def _write_stream(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def _save_dataset(folder: Path, numbers: list[int]) -> None:
    """As `datasets.Dataset.save_to_disk` does."""
    folder.mkdir(parents=True)
    table = pa.table({"n": numbers})
    _write_stream(folder / "data-00000-of-00001.arrow", table)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")


def test_a_saved_dataset_is_read(load: Load, tmp_path: Path) -> None:
    _save_dataset(tmp_path / "data", [1, 2])
    assert load("hf", "n: Int", "data")["n"].tolist() == [1, 2]


def test_a_saved_dictionary_of_splits_is_read_by_split(load: Load, faults: Faults, tmp_path: Path) -> None:
    _save_dataset(tmp_path / "data" / "train", [1, 2])
    _save_dataset(tmp_path / "data" / "test", [3])
    (tmp_path / "data" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert load("hf", "n: Int", "data")["n"].tolist() == [1, 2]
    assert load("hf", "n: Int", "data", split="test")["n"].tolist() == [3]
    assert faults("hf", "n: Int", "data", split="tset") == [
        "data: there is no split `tset`; did you mean `test`?"]


def test_files_are_found_by_the_split_in_their_names(load: Load, faults: Faults, save: Save) -> None:
    save("data/main/train-00000-of-00002.parquet", n=[1])
    save("data/main/train-00001-of-00002.parquet", n=[2])
    save("data/main/test-00000-of-00001.parquet", n=[3])
    assert load("hf", "n: Int", "data")["n"].tolist() == [1, 2]
    assert load("hf", "n: Int", "data", split="test")["n"].tolist() == [3]
    assert faults("hf", "n: Int", "data", split="dev") == [
        "data: there is no file for the split `dev`; there are `test`, `train`"]


def test_files_without_a_split_in_their_names_are_the_train_split(load: Load, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "data" / "b.jsonl").write_text('{"n": 2}\n')
    assert load("hf", "n: Int", "data")["n"].tolist() == [1, 2]


def test_csv_files_of_a_folder_are_read(load: Load, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.csv").write_text("n\n1\n")
    assert load("hf", "n: Int", ".")["n"].tolist() == [1]


def test_a_fault_in_a_file_of_a_folder_names_the_file_and_its_line(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text('{"n": 1}\n{"n": "x"}\n')
    assert faults("hf", "n: Int", "data")[0].startswith("data/train.jsonl:2: `n`: expected Int")


def test_a_folder_that_cannot_be_used_says_why(faults: Faults, tmp_path: Path, save: Save) -> None:
    (tmp_path / "empty").mkdir()
    save("mixed/train.parquet", n=[1])
    (tmp_path / "mixed" / "train.jsonl").write_text('{"n": 1}\n')
    assert faults("hf", "n: Int", "openai/gsm8k")[0].startswith(
        "openai/gsm8k: there is no such folder; `hf` reads a dataset that is on this machine already")
    assert faults("hf", "n: Int", "empty")[0].startswith("empty: there is no data in this folder")
    assert faults("hf", "n: Int", "mixed")[0].startswith("mixed: the split `train` has files of several")
    assert faults("hf", "n: Int", "mixed/train.parquet")[0].startswith("mixed/train.parquet: is a file")
