"""The one way a spec is written, shown by golden files: `accept/NAME.rl` and, formatted, `accept/NAME.out`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.source import Source
from rldsl.syntax.format import format_module
from rldsl.syntax.layout import WIDTH
from tests.golden import check_golden, sources

ACCEPT = Path(__file__).parent / "accept"


def formatted(text: str) -> str:
    found, faults = format_module(Source("a.rl", text))
    assert found is not None and not faults
    return found


@pytest.mark.parametrize("path", sources(ACCEPT), ids=lambda path: path.stem)
def test_a_text_is_written_in_its_one_form(path: Path, update_golden: bool) -> None:
    check_golden(path.with_suffix(".out"), formatted(path.read_text(encoding="utf-8")), update_golden)


@pytest.mark.parametrize("path", sources(ACCEPT), ids=lambda path: path.stem)
def test_the_one_form_stays_as_it_is(path: Path) -> None:
    text = path.with_suffix(".out").read_text(encoding="utf-8")
    assert formatted(text) == text


@pytest.mark.parametrize(("text", "expected"), [
    ("", ""),
    ("# only this", "# only this\n"),
    ("let a=1", "let a = 1\n"),
    ("let   a = - b^-c", "let a = -b ^ -c\n"),
    ("let a = ( 1 )", "let a = (1)\n"),
    ("let a = f( b , c:d , )", "let a = f(b, c: d)\n"),
    ("let a=1\n\n\n\nlet b=2\nlet c=3", "let a = 1\n\nlet b = 2\nlet c = 3\n"),
    ("let a=1\nreward b=2\npolicy p from q\njudge j from k", "let a = 1\n\nreward b = 2\n\npolicy p from q\njudge j from k\n"),
    ("policy p from q { a:1 b:2, c:3, }", "policy p from q { a: 1, b: 2, c: 3 }\n"),
    ("policy p from q {}", "policy p from q {}\n"),
    ("train { every 20 {\n evaluate heldout } }", "train {\n  every 20 { evaluate heldout }\n}\n"),
    ("data d from s { a: Text }", "data d from s { a: Text }\n"),
    ("rubric r judged by j { \"t\" weight 1, }", "rubric r judged by j { \"t\"  weight 1 }\n"),
    ("data d from s { a: Text, bcd: Text }", "data d from s {\n  a:   Text\n  bcd: Text\n}\n"),
    ("param a: Real in [ 0,inf ) = 0.1 -> 2", "param a: Real in [0, inf) = 0.1 -> 2\n"),
    ("fn f( a:Real[c , d] @ y . token,b = 1 .. 2 ) -> Real = a", "fn f(a: Real[c, d] @ y.token, b = 1 .. 2) -> Real = a\n"),
    ("let a = 1 # x\n# y\nlet b = 2", "let a = 1  # x\n# y\nlet b = 2\n"),
    ("\ufefflet a = 1\r\n\r\nlet b = 2\r\n", "let a = 1\n\nlet b = 2\n"),
])
def test_a_small_text_is_written_so(text: str, expected: str) -> None:
    assert formatted(text) == expected


def test_a_long_value_goes_onto_the_next_line_then_breaks() -> None:
    long = "let margin = " + " + ".join(f"a_rather_long_name_{place}" for place in range(4))
    assert formatted(long).splitlines()[0] == "let margin ="
    longer = "let margin = " + " + ".join(f"a_rather_long_name_{place}" for place in range(6))
    assert formatted(longer).splitlines()[1:3] == ["  a_rather_long_name_0", "  + a_rather_long_name_1"]


def test_lines_are_no_longer_than_they_need_be() -> None:
    for path in sources(ACCEPT):
        for line in formatted(path.read_text(encoding="utf-8")).splitlines():
            assert len(line) <= WIDTH or "#" in line


def test_a_text_with_faults_is_not_formatted() -> None:
    text, faults = format_module(Source("a.rl", "let a = ("))
    assert text is None and len(faults) == 1
