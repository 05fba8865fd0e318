"""Comma-separated values: what is read, and every way in which they are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.declare import Faults, Load


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "rows.csv"


def test_cells_have_the_declared_elements(load: Load, csv: Path) -> None:
    csv.write_text('q,n,x,ok,m\na,3,1.5,true,"{""k"": 1}"\n"b, c", 4 ,2e3,0,[]\n')
    rows = load("csv", "q: Text, n: Int, x: Real, ok: Bool, m: Json", "rows.csv")
    assert rows["q"] == ["a", "b, c"]
    assert rows["n"].tolist() == [3, 4]
    assert rows["x"].tolist() == [1.5, 2000.0]
    assert rows["ok"].tolist() == [True, False]
    assert rows["m"] == [{"k": 1}, []]


def test_line_ends_in_quotes_belong_to_the_text(load: Load, csv: Path) -> None:
    csv.write_bytes(b'q,n\r\n"a\nb",1\r\nc,2\r\n')
    assert load("csv", "q: Text", "rows.csv")["q"] == ["a\nb", "c"]


def test_a_byte_order_mark_is_no_part_of_the_header(load: Load, csv: Path) -> None:
    csv.write_bytes(b"\xef\xbb\xbfq\na\n")
    assert load("csv", "q: Text", "rows.csv")["q"] == ["a"]


def test_another_separator_is_named(load: Load, faults: Faults, csv: Path) -> None:
    csv.write_text("q\tn\na,b\t1\n")
    assert load("csv", "q: Text, n: Int", "rows.csv", separator="\t")["q"] == ["a,b"]
    assert faults("csv", "q: Text", "rows.csv", separator="||") == [
        'rows.csv: `separator` must be one character, not "||"']


def test_an_empty_cell_is_an_empty_text_and_no_number(load: Load, faults: Faults, csv: Path) -> None:
    csv.write_text("q,n\n,1\nb,\n")
    assert load("csv", "q: Text", "rows.csv")["q"] == ["", "b"]
    assert faults("csv", "n: Int", "rows.csv") == ["rows.csv:3: `n` is missing"]


def test_a_long_cell_is_read(load: Load, csv: Path) -> None:
    csv.write_text("q\n" + "x" * 300_000 + "\n")
    assert len(load("csv", "q: Text", "rows.csv")["q"][0]) == 300_000


@pytest.mark.parametrize(("content", "message"), [
    ("q,n\na,1\nb\n", "rows.csv:3: 1 cells where the header has 2"),
    ("q,n\na,1,2\n", "rows.csv:2: 3 cells where the header has 2"),
    ("q,q,n\na,b,1\n", "rows.csv:1: the column `q` is there twice"),
    ("q,n\na,one\n", 'rows.csv:2: `n`: expected Int, found "one"'),
    ("q,n\na,1.5\n", 'rows.csv:2: `n`: expected Int, found "1.5"'),
    ("q,n\na,99999999999999999999\n", "rows.csv:2: `n`: expected Int, found a number beyond 64 bits"),
    ('q,n\n"a\nb",1\nc,x\n', 'rows.csv:4: `n`: expected Int, found "x"'),
    ('q,n\n"a,1\n', "rows.csv:2: is not csv: unexpected end of data"),
    ("q,m\na,1\n", "rows.csv: there is no column `n`; there are `m`, `q`"),
    ("q,n\n", "rows.csv: there are no rows"),
    ("", "rows.csv: there are no rows"),
])
def test_a_broken_file_says_what_is_wrong(faults: Faults, csv: Path, content: str, message: str) -> None:
    csv.write_text(content)
    assert faults("csv", "q: Text, n: Int", "rows.csv")[0] == message


@pytest.mark.parametrize(("element", "cell", "message"), [
    ("Real", "nan", "`v`: expected Real, found nan"),
    ("Real", "inf", "`v`: expected Real, found inf"),
    ("Real", "1,5", "2 cells where the header has 1"),
    ("Bool", "yes", '`v`: expected Bool (true or false), found "yes"'),
    ("Json", "{", '`v`: expected Json, found "{"'),
    ("Text", "a\0b", "`v`: has a NUL character"),
])
def test_a_cell_of_another_element_is_refused(faults: Faults, csv: Path, element: str, cell: str,
                                              message: str) -> None:
    csv.write_text(f"v\n{cell}\n")
    assert faults("csv", f"v: {element}", "rows.csv")[0] == f"rows.csv:2: {message}"


def test_text_that_is_not_utf8_is_found_with_line_and_byte(faults: Faults, csv: Path) -> None:
    csv.write_bytes(b"q\na\ncaf\xe9\n")
    assert faults("csv", "q: Text", "rows.csv") == ["rows.csv:3: is not UTF-8: byte 4 of the line is 0xe9"]


def test_utf16_is_named(faults: Faults, csv: Path) -> None:
    csv.write_bytes("q\na\n".encode("utf-16"))
    assert faults("csv", "q: Text", "rows.csv") == ["rows.csv: is UTF-16; save it as UTF-8"]
