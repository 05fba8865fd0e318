"""Runs the command line in this process: a hundred commands in the time of one interpreter's start."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rldsl.cli import main

_COLOR = re.compile(r"\x1b\[[\d;]*m")

SPEC = """
import std.surrogate (clipped)

param beta: Real in [0, 1] = 0.5
param rounds: Int in [1, 10] = 1

data problems from python("task:problems") { question: Text  answer: Text target }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("ab>"))
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 2 }
reward correct = verify.equal(y.text, problems.answer)
let advantage = correct - mean(correct, per: prompt)

objective pg for actor {
  maximize surrogate: beta * mean(clipped(exp(logp(actor, y) - y.logp), advantage, 0.8 .. 1.28))
}

eval heldout on problems { samples: 1 report success: mean(correct) }

train { repeat rounds { draw 4 prompts  update actor with pg { minibatch: 2 prompts, optimizer: adamw(lr: 1e-3) } } }

test "half" { expect 1 / 2 == 0.5 within 1e-9 }
"""

TASK = '''
def problems():
    return [{"question": "ab>", "answer": "a"}, {"question": "ba>", "answer": "b"}] * 4
'''


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def rldsl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`rldsl("check", "a.rl", stdin="…")`: the exit status and what was printed, without colours."""

    def run(*arguments: str | Path, stdin: str = "") -> Outcome:
        monkeypatch.setattr(sys, "argv", ["rldsl", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main()
        printed = capsys.readouterr()
        return Outcome(int(leaving.value.code or 0), _COLOR.sub("", printed.out), _COLOR.sub("", printed.err))

    return run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `mine.rl`, which is right, `wrong.rl`, which is not, and their task; the working directory."""
    (tmp_path / "mine.rl").write_text(SPEC, encoding="utf-8")
    (tmp_path / "wrong.rl").write_text(SPEC.replace("beta * mean(", "beta * ("), encoding="utf-8")
    (tmp_path / "task.py").write_text(TASK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path
