"""Rewards over HTTP."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rldsl.adapters.command import serve_file, written_address
from rldsl.scores.faults import ScoreError
from rldsl.scores.live import load_scores
from rldsl.scores.serving import RewardServer


@pytest.fixture
def url(project: Path) -> Iterator[str]:
    with load_scores(project / "mine.rl", "total") as scores, RewardServer(("127.0.0.1", 0), scores) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.url
        server.shutdown()
        thread.join()


def _ask(url: str, body: Any, path: str = "/score") -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, content), timeout=60) as answer:
            return int(answer.status), json.loads(answer.read())
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.code, json.loads(fault.read())


def _row(text: str, answer: str = "4") -> dict[str, str]:
    return {"prompt": "2+2", "question": "2+2", "completion": text, "answer": answer}


def test_rows_are_scored_in_their_order_with_every_part(url: str) -> None:
    status, found = _ask(url, {"rows": [_row("4"), _row("5 or 6")]})
    assert status == 200
    assert found["reward"] == "total"
    assert [entry["values"]["total"] for entry in found["completions"]] == pytest.approx([1.05, 0.3])
    assert found["completions"][1]["values"]["correct"] == 0.0
    assert found["completions"][1]["states"] == {"correct": "value", "length": "value", "total": "value"}


def test_what_is_served_is_said(url: str) -> None:
    with urllib.request.urlopen(url, timeout=60) as answer:
        found = json.loads(answer.read())
    assert found["rewards"] == ["correct", "length", "total"]
    assert found["fields"] == {"answer": "Text"}
    assert found["compares"] is False


@pytest.mark.parametrize(("body", "status", "said"), [
    (b"{", 400, "the body is not JSON"),
    ({"rows": []}, 400, "at least a row"),
    ({"texts": ["4"]}, 400, "is expected"),
    ({"rows": [_row("4")], "samples": 2}, 400, "`samples` is not known"),
    ({"rows": ["4"]}, 400, "each row is an object"),
    ({"rows": [{"completion": "4"}]}, 422, "the rows have no column `answer`"),
    ({"rows": [{"completion": 4, "answer": "4"}]}, 422, "expected a text"),
])
def test_a_request_that_cannot_be_scored_is_answered_with_what_is_wrong(url: str, body: Any, status: int, said: str) -> None:
    found, answer = _ask(url, body)
    assert found == status
    assert said in answer["error"]


@pytest.mark.parametrize(("length", "status"), [
    (None, 411), ("", 411), ("-1", 411), ("\u00b2", 411), ("1e3", 411), ("1" * 12, 413), ("9" * 5000, 413)])
def test_a_length_that_is_none_or_too_large_is_answered(url: str, length: str | None, status: int) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/score")
    if length is not None:
        connection.putheader("Content-Length", length)
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, "error" in json.loads(answer.read())) == (status, True)
    connection.close()
    assert _ask(url, {"rows": [_row("4")]})[0] == 200


def test_another_path_is_not_there_and_the_server_goes_on(url: str) -> None:
    assert _ask(url, {"rows": [_row("4")]}, "/socre")[0] == 404
    assert _ask(url, {"rows": [_row("4")]})[0] == 200


def test_a_failed_call_is_a_state_with_its_message(project: Path) -> None:
    with load_scores(project / "mine.rl", "strict") as scores:
        found = scores.score([{"completion": "4"}, {"completion": "boom"}]).completions
    assert [entry.states["strict"] for entry in found] == ["value", "failed"]
    assert found[1].values["strict"] is None
    assert "no such text" in found[1].evidence["strict"]["failed"]


def test_requests_side_by_side_get_their_own_answers(url: str) -> None:
    texts = [f"{'x' * size}" for size in range(1, 25)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: _ask(url, {"rows": [_row(text)]})[1], texts))
    assert [entry["completions"][0]["values"]["length"] for entry in found] == pytest.approx([len(text) / 10 for text in texts])


@pytest.mark.parametrize(("text", "found"), [
    ("8000", ("127.0.0.1", 8000)), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:9", ("::1", 9))])
def test_an_address_is_a_port_or_a_host_and_a_port(text: str, found: tuple[str, int]) -> None:
    assert written_address(text) == found


@pytest.mark.parametrize("text", ["", "here", ":80", "70000", "host:port"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ScoreError, match="is no address"):
        written_address(text)


def test_a_port_that_is_taken_is_said(project: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    port = url.rpartition(":")[2]
    assert serve_file(project / "mine.rl", port, "total", [], None, {}) == 2
    assert f"nothing can listen on 127.0.0.1:{port}" in capsys.readouterr().err
