"""How findings look on a terminal, and as data."""

from __future__ import annotations

import json

from rldsl.diagnostics import Diagnostic, Edit, Label, error, note, warning
from rldsl.diagnostics.render import cells, render_diagnostics
from rldsl.diagnostics.to_json import diagnostics_to_json
from rldsl.source import Source, Span

TEXT = "policy ref = frozen(actor)\n\n\nminimize kl: 0.04 * mean(k1(actor, ref, y))\n"


def span(text: str, piece: str, file: str = "a.rl") -> Span:
    return Span(file, text.index(piece), text.index(piece) + len(piece))


def shown(diagnostic: Diagnostic, text: str, **sources: Source) -> str:
    return render_diagnostics([diagnostic], {"a.rl": Source("a.rl", text), **sources}, color=False)


def test_a_finding_shows_its_lines_its_reason_and_its_remedy() -> None:
    found = error("RL301", "this KL term cannot pull the policy back", span(TEXT, "k1(actor, ref, y)"),
                  "as a loss, its expected gradient is zero", others=[Label(span(TEXT, "ref"), "the reference")],
                  why="the gradient of `k1` averages to 0.", fix="use `k2(actor, ref, y)`.")
    assert shown(found, TEXT) == """\
error[RL301]: this KL term cannot pull the policy back
  --> a.rl:4:26
   |
 1 | policy ref = frozen(actor)
   |        --- the reference
 4 | minimize kl: 0.04 * mean(k1(actor, ref, y))
   |                          ^^^^^^^^^^^^^^^^^ as a loss, its expected gradient is zero
   |
 why: the gradient of `k1` averages to 0.
 fix: use `k2(actor, ref, y)`.
      rldsl explain RL301
"""


def test_labels_of_one_line_stand_on_lines_of_their_own() -> None:
    found = warning("RL1", "t", span(TEXT, "actor"), "one", others=[Label(span(TEXT, "ref"), "two")])
    assert shown(found, TEXT).splitlines()[3:6] == [
        " 1 | policy ref = frozen(actor)", "   |                     ^^^^^ one", "   |        --- two"]


def test_a_label_over_several_lines_shows_the_first_and_the_last() -> None:
    text = "let a = f(\n  1,\n  2\n)\n"
    found = shown(note("RL1", "t", span(text, "f(\n  1,\n  2\n)"), "here"), text)
    assert found.splitlines()[3:7] == [" 1 | let a = f(", "   |         ^^", " 4 | )", "   | ^ here"]


def test_labels_in_another_file_follow() -> None:
    other = Source("lib.rl", "let b = 2\n")
    found = error("RL1", "t", span(TEXT, "ref"), "one", others=[Label(Span("lib.rl", 4, 5), "two")])
    lines = shown(found, TEXT, **{"lib.rl": other}).splitlines()
    assert "  ::: lib.rl:1:5" in lines and "   |     - two" in lines


def test_a_file_without_text_is_named_alone() -> None:
    assert shown(error("RL1", "t", Span("gone.rl", 3, 4), "one"), TEXT).splitlines()[1] == "  --> gone.rl"


def test_tabs_wide_and_hidden_characters_keep_carets_in_place() -> None:
    text = "a\tb 世界 \x1b[31m \u202e x q\n"
    lines = shown(error("RL1", "t", span(text, "q"), "here"), text).splitlines()
    assert lines[3] == " 1 | a    b 世界 \\x1b[31m \\u202e x q"
    assert cells(lines[4][: lines[4].index("^")]) == cells(lines[3][: lines[3].index("q")])
    assert "\x1b" not in "".join(lines) and "\u202e" not in "".join(lines)


def test_a_long_line_is_cut_around_its_label() -> None:
    text = "x" * 5_000 + "HERE" + "y" * 5_000
    lines = shown(error("RL1", "t", span(text, "HERE"), "here"), text).splitlines()
    assert lines[1] == "  --> a.rl:1:5001" and len(lines[3]) < 110
    assert lines[3][lines[4].index("^") :].startswith("HERE")
    assert lines[3].startswith(" 1 | …") and lines[3].endswith("…")


def test_an_empty_text_and_its_end_can_be_labelled() -> None:
    assert "^ here" in shown(error("RL1", "t", Span("a.rl", 0, 0), "here"), "")
    assert "^ here" in shown(error("RL1", "t", Span("a.rl", 99, 99), "here"), "let a = 1\n")


def test_long_reasons_are_wrapped_and_code_is_not() -> None:
    found = error("RL1", "t", Span("a.rl", 0, 1), why="word " * 40, fix="write\n    let a = " + "b + " * 40)
    lines = shown(found, "x").splitlines()
    assert all(len(line) <= 101 for line in lines if "word" in line) and sum("word" in line for line in lines) > 1
    assert any(line.startswith("          let a") and len(line) > 160 for line in lines)


def test_only_so_many_are_shown() -> None:
    found = [error("RL1", f"t{number}", Span("a.rl", 0, 1)) for number in range(30)]
    text = render_diagnostics(found, {"a.rl": Source("a.rl", "x")}, color=False, limit=20)
    assert text.count("error[RL1]") == 20 and text.endswith("and 10 more\n")


def test_colour_changes_nothing_but_colour() -> None:
    import re

    found = error("RL1", "t", span(TEXT, "ref"), "one", why="w", fix="f")
    source = {"a.rl": Source("a.rl", TEXT)}
    colored = render_diagnostics([found], source, color=True)
    assert "\x1b[1;31m" in colored
    assert re.sub("\x1b\\[[0-9;]*m", "", colored) == render_diagnostics([found], source, color=False)


def test_as_data_a_finding_has_stable_keys_and_survives_json() -> None:
    found = error("RL1", "t \ud800", span(TEXT, "ref"), "one", others=[Label(span(TEXT, "actor"), "two")], why="w", fix="f",
                  edit=Edit(span(TEXT, "ref"), "x"))
    (record,) = json.loads(json.dumps(diagnostics_to_json([found], {"a.rl": Source("a.rl", TEXT)})))
    assert list(record) == ["code", "severity", "title", "file", "line", "column", "end_line", "end_column", "label",
                            "others", "why", "fix", "edit"]
    assert (record["line"], record["column"], record["end_column"], record["severity"]) == (1, 8, 11, "error")
    assert record["others"][0]["label"] == "two" and record["edit"]["text"] == "x"


def test_as_data_a_place_in_an_unknown_file_is_null() -> None:
    (record,) = diagnostics_to_json([error("RL1", "t", Span("gone.rl", 3, 4))], {})
    assert record["file"] == "gone.rl" and record["line"] is None and record["edit"] is None
