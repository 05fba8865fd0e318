"""Every way in which a jsonl file can be right or broken."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from rldsl.data.errors import DataErrors
from rldsl.data.load import load_data
from tests.data.declare import Faults, Load, Write, declare


def test_columns_have_the_declared_elements(load: Load, jsonl: Write) -> None:
    jsonl('{"q": "a", "n": 3, "x": 1, "ok": true, "m": {"k": [1]}}\n'
          '{"q": "é\\n", "n": 4.0, "x": 2.5, "ok": false, "m": null_}\n'.replace("null_", "[]"))
    rows = load("jsonl", "q: Text, n: Int, x: Real, ok: Bool, m: Json", "rows.jsonl")
    assert rows.names == ("q", "n", "x", "ok", "m")
    assert rows["q"] == ["a", "é\n"]
    assert np.array_equal(rows["n"], np.array([3, 4])) and rows["n"].dtype == np.int64
    assert np.array_equal(rows["x"], np.array([1.0, 2.5])) and rows["x"].dtype == np.float64
    assert rows["ok"].tolist() == [True, False]
    assert rows["m"] == [{"k": [1]}, []]


def test_a_selection_keeps_the_order_and_repeats_rows(load: Load, jsonl: Write) -> None:
    jsonl("".join(f'{{"q": "{index}", "n": {index}}}\n' for index in range(10)))
    rows = load("jsonl", "q: Text, n: Int", "rows.jsonl").select([3, 1, 3])
    assert len(rows) == 3
    assert rows["q"] == ["3", "1", "3"]
    assert rows["n"].tolist() == [3, 1, 3]


def test_a_column_that_is_not_there_cannot_be_read(load: Load, jsonl: Write) -> None:
    jsonl('{"question": "a"}\n')
    with pytest.raises(KeyError, match="did you mean `question`"):
        load("jsonl", "question: Text", "rows.jsonl")["questoin"]


def test_a_byte_order_mark_crlf_and_blank_lines_are_accepted(load: Load, jsonl: Write) -> None:
    jsonl(b'\xef\xbb\xbf{"q": "a"}\r\n\r\n{"q": "b"}\r\n   \n')
    assert load("jsonl", "q: Text", "rows.jsonl")["q"] == ["a", "b"]


def test_the_last_line_needs_no_end(load: Load, jsonl: Write) -> None:
    jsonl('{"q": "a"}\n{"q": "b"}')
    assert len(load("jsonl", "q: Text", "rows.jsonl")) == 2


def test_unicode_line_separators_do_not_end_a_row(load: Load, jsonl: Write) -> None:
    jsonl('{"q": "a\u2028b\u0085c\x1cd"}\n'.replace("\x1c", "\\u001c"))
    assert load("jsonl", "q: Text", "rows.jsonl")["q"] == ["a\u2028b\u0085c\x1cd"]


def test_characters_beyond_the_first_plane_survive(load: Load, jsonl: Write) -> None:
    jsonl('{"q": "\U0001f600"}\n{"q": "\\ud83d\\ude00"}\n{"q": "e\u0301"}\n')
    assert load("jsonl", "q: Text", "rows.jsonl")["q"] == ["\U0001f600", "\U0001f600", "e\u0301"]


def test_a_packed_file_is_unpacked(load: Load, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b'{"q": "a"}\n'))
    assert load("jsonl", "q: Text", "rows.jsonl.gz")["q"] == ["a"]


def test_a_limit_keeps_the_first_rows_and_reads_no_further(load: Load, jsonl: Write) -> None:
    jsonl('{"q": "a"}\n{"q": "b"}\nbroken\n')
    assert load("jsonl", "q: Text", "rows.jsonl", limit=2)["q"] == ["a", "b"]


def test_a_wrong_type_in_row_ten_thousand_is_found_with_its_line(faults: Faults, jsonl: Write) -> None:
    jsonl("".join(f'{{"n": {json.dumps(str(i) if i == 9_999 else i)}}}\n' for i in range(20_000)))
    assert faults("jsonl", "n: Int", "rows.jsonl") == [
        'rows.jsonl:10000: `n`: expected Int, found a Text ("9999")']


def test_a_missing_column_is_one_fault_that_names_the_columns(faults: Faults, jsonl: Write) -> None:
    jsonl('{"question": "a", "answer": "b"}\n' * 100)
    assert faults("jsonl", "question: Text, anser: Text", "rows.jsonl") == [
        "rows.jsonl: there is no column `anser`; did you mean `answer`?"]
    assert faults("jsonl", "zzz: Text", "rows.jsonl") == [
        "rows.jsonl: there is no column `zzz`; there are `answer`, `question`"]


def test_a_value_missing_in_one_row_is_found_with_its_line(faults: Faults, jsonl: Write) -> None:
    jsonl('{"q": "a"}\n{"other": 1}\n{"q": null}\n')
    assert faults("jsonl", "q: Text", "rows.jsonl") == [
        "rows.jsonl:2: `q` is missing", "rows.jsonl:3: `q` is missing"]


def test_all_faults_are_shown_at_once_and_twenty_at_most(tmp_path: Path, jsonl: Write) -> None:
    jsonl('{"n": "x"}\n' * 50)
    with pytest.raises(DataErrors) as raised:
        load_data(declare("jsonl", "n: Int", "rows.jsonl"), project=tmp_path, seed=0)
    assert [error.line for error in raised.value.errors] == list(range(1, 21))
    assert raised.value.stopped
    assert "reading stopped here" in str(raised.value)
    assert str(raised.value).startswith("data `problems` cannot be used: 20 faults\n  rows.jsonl:1: ")


def test_faults_of_several_kinds_come_in_the_order_of_lines(faults: Faults, jsonl: Write) -> None:
    jsonl('{"n": 1}\nbroken\n{"n": true}\n{"n": 1, "n": 2}\n[1]\n')
    found = faults("jsonl", "n: Int", "rows.jsonl")
    assert [fault.split(":")[1] for fault in found] == ["2", "3", "4", "5"]


@pytest.mark.parametrize(("line", "message"), [
    ('{"q": "a"', "is not JSON: Expecting ',' delimiter at column 10 (the file ends here: is it cut off?)"),
    ("{'q': 'a'}\n", "is not JSON: Expecting property name enclosed in double quotes at column 2"),
    ('{"q": "a"} {"q": "b"}\n', "is not JSON: Extra data at column 12"),
    ('{"q": "a", "q": "b"}\n', "the key `q` is there twice"),
    ('{"q": "a", "m": {"k": 1, "k": 1}}\n', "the key `k` is there twice"),
    ('{"q": NaN}\n', "NaN is not JSON; write null where there is no number"),
    ('["a"]\n', "is one JSON list; a jsonl file has one object on each line"),
    ('{\n  "q": "a"\n}\n', "is JSON over many lines; a jsonl file has one whole object on each line"),
    ('"a"\n', "expected a JSON object, found str"),
    ('{"q": "a\\u0000b"}\n', "`q`: has a NUL character"),
    ('{"q": "\\ud83d"}\n', "`q`: has half of a surrogate pair (\\ud83d)"),
    ('{"q": 3}\n', "`q`: expected Text, found an Int (3)"),
    ('{"q": 3.5}\n', "`q`: expected Text, found a Real (3.5)"),
    ('{"q": true}\n', "`q`: expected Text, found a Bool (true)"),
    ('{"q": ["a"]}\n', "`q`: expected Text, found a list of 1; declare it `Json`"),
    ('{"q": {"a": 1, "b": 2}}\n', "`q`: expected Text, found an object (a, b); declare it `Json`"),
])
def test_a_broken_line_says_what_is_wrong(faults: Faults, jsonl: Write, line: str, message: str) -> None:
    jsonl(line)
    assert faults("jsonl", "q: Text", "rows.jsonl")[0] == f"rows.jsonl:1: {message}"


@pytest.mark.parametrize(("element", "value", "message"), [
    ("Int", "1.5", "expected Int, found a Real (1.5)"),
    ("Int", "true", "expected Int, found a Bool (true)"),
    ("Int", str(2**63), "expected Int, found a number beyond 64 bits"),
    ("Int", "1" + "0" * 60, "expected Int, found a number beyond 64 bits"),
    ("Int", "1e400", "expected Int, found a Real (inf)"),
    ("Real", "1e400", "expected Real, found inf"),
    ("Real", "1" + "0" * 400, "expected Real, found a number beyond 1.8e308"),
    ("Real", '"1.5"', 'expected Real, found a Text ("1.5")'),
    ("Real", "false", "expected Real, found a Bool (false)"),
    ("Bool", "1", "expected Bool, found an Int (1)"),
    ("Bool", '"yes"', 'expected Bool, found a Text ("yes")'),
    ("Json", '{"k": [1e400]}', "expected Json, found NaN or an infinite number in it"),
    ("Json", '"\\udc00"', "has half of a surrogate pair (\\udc00)"),
])
def test_a_value_of_another_element_is_refused(faults: Faults, jsonl: Write, element: str, value: str,
                                               message: str) -> None:
    jsonl(f'{{"v": {value}}}\n')
    assert faults("jsonl", f"v: {element}", "rows.jsonl") == [f"rows.jsonl:1: `v`: {message}"]


def test_the_largest_integers_are_kept(load: Load, jsonl: Write) -> None:
    jsonl(f'{{"n": {2**63 - 1}}}\n{{"n": {-(2**63)}}}\n')
    assert load("jsonl", "n: Int", "rows.jsonl")["n"].tolist() == [2**63 - 1, -(2**63)]


def test_an_integer_with_thousands_of_digits_is_a_fault_of_its_line(faults: Faults, jsonl: Write) -> None:
    jsonl('{"n": ' + "9" * 5000 + "}\n")
    assert faults("jsonl", "n: Int", "rows.jsonl")[0].startswith("rows.jsonl:1: is not JSON that can be read")


def test_deep_nesting_is_a_fault_of_its_line(faults: Faults, jsonl: Write) -> None:
    jsonl('{"q": "a"}\n{"q": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
    assert faults("jsonl", "q: Text", "rows.jsonl") == ["rows.jsonl:2: is nested too deep to be read"]


def test_text_that_is_not_utf8_is_found_with_line_and_byte(faults: Faults, jsonl: Write) -> None:
    jsonl(b'{"q": "a"}\n{"q": "caf\xe9"}\n')
    assert faults("jsonl", "q: Text", "rows.jsonl") == [
        "rows.jsonl:2: is not UTF-8: byte 11 of the line is 0xe9"]


def test_surrogates_written_as_bytes_are_not_utf8(faults: Faults, jsonl: Write) -> None:
    jsonl('{"q": "\ud83d"}\n')
    assert "is not UTF-8" in faults("jsonl", "q: Text", "rows.jsonl")[0]


def test_utf16_is_named(faults: Faults, jsonl: Write) -> None:
    jsonl('{"q": "a"}\n'.encode("utf-16"))
    assert faults("jsonl", "q: Text", "rows.jsonl") == ["rows.jsonl: is UTF-16; save it as UTF-8"]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_a_fault(faults: Faults, jsonl: Write, content: str) -> None:
    jsonl(content)
    assert faults("jsonl", "q: Text", "rows.jsonl") == ["rows.jsonl: there are no rows"]


def test_a_file_that_is_not_there_is_named_with_the_one_that_is(faults: Faults, jsonl: Write) -> None:
    jsonl('{"q": "a"}\n')
    assert faults("jsonl", "q: Text", "row.jsonl") == [
        "row.jsonl: there is no such file; did you mean `rows.jsonl`?"]
    assert faults("jsonl", "q: Text", "data/rows.jsonl") == [
        "data/rows.jsonl: there is no such file; there is no folder data"]


def test_a_folder_is_not_a_file(faults: Faults, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    assert faults("jsonl", "q: Text", "rows") == ["rows: is a folder; name the file in it"]


def test_wrong_arguments_of_a_source_are_faults(faults: Faults, jsonl: Write) -> None:
    jsonl('{"q": "a"}\n')
    assert faults("jsonl", "q: Text", "rows.jsonl", limt=3) == [
        "jsonl: no argument is called `limt`; did you mean `limit`?"]
    assert faults("jsonl", "q: Text") == ["jsonl: `path` is missing"]
    assert faults("jsnl", "q: Text", "rows.jsonl") == [
        "jsnl: there is no source `jsnl`; did you mean `jsonl`?"]


def test_a_chat_is_json(load: Load, jsonl: Write) -> None:
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    jsonl(json.dumps({"messages": chat}) + "\n")
    assert load("jsonl", "messages: Json", "rows.jsonl")["messages"] == [chat]


def test_one_message_of_a_user_is_a_text(load: Load, jsonl: Write) -> None:
    jsonl('{"prompt": [{"role": "user", "content": "2 + 2?"}]}\n')
    assert load("jsonl", "prompt: Text", "rows.jsonl")["prompt"] == ["2 + 2?"]


def test_a_longer_chat_is_no_text(faults: Faults, jsonl: Write) -> None:
    jsonl('{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}\n')
    assert faults("jsonl", "prompt: Text", "rows.jsonl") == [
        "rows.jsonl:1: `prompt`: expected Text, found a chat of 2 messages (system, user); declare it `Json`"]


def test_the_reference_answer_of_verl_rows_is_the_answer(load: Load, faults: Faults, jsonl: Write) -> None:
    jsonl('{"data_source": "gsm8k", "reward_model": {"style": "rule", "ground_truth": "4"}}\n')
    rows = load("jsonl", "answer: Text, ground_truth: Text, data_source: Text", "rows.jsonl")
    assert (rows["answer"], rows["ground_truth"], rows["data_source"]) == (["4"], ["4"], ["gsm8k"])
    assert "there is no column `label`" in faults("jsonl", "label: Text", "rows.jsonl")[0]


def test_a_column_of_its_own_comes_before_the_one_of_verl(load: Load, jsonl: Write) -> None:
    jsonl('{"answer": "own", "reward_model": {"ground_truth": "theirs"}}\n')
    assert load("jsonl", "answer: Text", "rows.jsonl")["answer"] == ["own"]


def test_many_rows_are_packed_and_read_in_reasonable_time(load: Load, jsonl: Write) -> None:
    jsonl("".join(f'{{"q": "question {index}", "n": {index}}}\n' for index in range(100_000)))
    rows = load("jsonl", "q: Text, n: Int", "rows.jsonl")
    assert len(rows) == 100_000
    assert rows.nbytes < 4_000_000
    assert rows.select([99_999])["q"] == ["question 99999"]


CUT_SHORT = gzip.compress(b'{"question": "a"}\n' * 50, mtime=0)[:-12]  # the same bytes in every process that collects tests


@pytest.mark.parametrize("content", [b"{}", b"\x1f\x8b\x08\x00", CUT_SHORT], ids=["no gzip", "a head alone", "cut short"])
def test_damaged_gzip_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.jsonl.gz").write_bytes(content)
    with pytest.raises(DataErrors, match=r"rows.jsonl.gz: is not gzip data that can be read"):
        load_data(declare("jsonl", "question: Text", "rows.jsonl.gz"), project=tmp_path, seed=0)
