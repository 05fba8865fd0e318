"""`report.html` of a scoring: what a person reads."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import rldsl
from rldsl.scores.page import render_page
from rldsl.scores.samples import COMPLETIONS, GROUPS
from tests.scores.conftest import HEAD, ROWS, Score, write_rows

FAILING = HEAD + """
reward strict = verify.python("judging:strict", y.text, range: 0 .. 1)
"""


class _Nesting(HTMLParser):
    """Fails where an element is closed that is not open; texts are collected."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _read(page: str) -> str:
    parser = _Nesting()
    parser.feed(page)
    assert parser.open == []
    return "\n".join(parser.texts)


def _section(page: str, title: str) -> str:
    return next(part for part in page.split("<section") if f"<h2>{title}</h2>" in part)


def test_the_page_shows_completions_beside_their_scores_the_best_first(score: Score) -> None:
    report = score(ROWS)
    page = (Path(report.folder) / "report.html").read_text(encoding="utf-8")
    text = _read(page)
    assert "5" in text and "q1" in text
    wide = _section(page, "Largest differences within a group")
    assert re.findall(r"<pre>(\w+)</pre>", wide) == ["ab", "ac", "b"]
    assert re.findall(r"<span>total <b>([\d.]+)</b>", wide) == ["1", "0.125", "0"]
    assert re.findall(r"<pre>(\w+)</pre>", _section(page, "No signal")) == ["a", "b"]


def test_every_group_is_shown_once_and_what_is_left_out_is_said(score: Score) -> None:
    many = [{"prompt": f"q{group}", "answer": "a", "completion": "a" * (1 + place % 3)}
            for group in range(40) for place in range(12)]
    page = render_page(score(many))
    prompts = re.findall(r'<pre class="prompt">(q\d+)</pre>', page)
    assert len(prompts) == len(set(prompts))
    assert GROUPS <= len(prompts) <= 2 * GROUPS
    assert f"and {12 - COMPLETIONS} more completions of this group" in page


def test_a_text_is_a_text_and_no_part_of_the_page(score: Score) -> None:
    page = render_page(score([{"prompt": "<script>alert(1)</script>", "answer": "a", "completion": "</pre><img src=x>"}] * 2))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;/pre&gt;&lt;img src=x&gt;" in page
    assert "default-src 'none'" in page
    assert "</pre><img src=x>" in _read(page)


def test_a_failed_call_is_shown_with_its_message(tmp_path: Path) -> None:
    (tmp_path / "judging.py").write_text("def strict(text):\n    return 1.0 if text == 'a' else 1 / 0\n")
    rows = write_rows(tmp_path / "rows.jsonl", [{"prompt": "q", "completion": "a"}, {"prompt": "q", "completion": "b"}])
    page = render_page(rldsl.score(FAILING, rows, out=tmp_path / "scores", project=tmp_path))
    failed = _section(page, "Failed calls")
    assert re.findall(r"<span>strict (?:<b>(\d)</b>|<i class=\"gone\">(\w+)</i>)", failed) == [("1", ""), ("", "failed")]
    assert "ZeroDivisionError" in failed


def test_a_comparison_is_on_the_page_of_the_scores_that_it_is_of(score: Score, tmp_path: Path) -> None:
    from rldsl.scores.reading import Given
    from rldsl.scores.session import Request, score_and_ask
    report = score(ROWS)
    request = Request(report.plan.spec, tmp_path, Given(Path(report.completions)), Path(report.folder))
    score_and_ask(request, ["weight = 1"], None)
    page = (Path(report.folder) / "report.html").read_text(encoding="utf-8")
    assert "what if weight = 1: total" in _read(page)
