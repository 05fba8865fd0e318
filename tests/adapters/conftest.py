"""One spec whose rewards are known by hand, in a project of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

SPEC = """\
data problems from jsonl("problems.jsonl") {
  question: Text
  answer:   Text target
}

policy actor from hf("nowhere")

rollout y ~ actor(problems.question) { samples: 2, max_tokens: 8, temperature: 1.0 }

reward correct = verify.equal(answer(y), problems.answer) else 0
reward length  = text.length(y.text) / 10
reward strict  = verify.python("judging:strict", y.text, range: 0 .. 1)
reward number  = text.number(y.text) else skip
reward total   = correct + 0.5 * length
reward better  = total - mean(total, per: prompt)
"""

FUNCTION = """\
def strict(text):
    if "boom" in text:
        raise ValueError("no such text")
    return 1.0 if text == "4" else 0.25
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `mine.rl` and the function that it calls."""
    (tmp_path / "mine.rl").write_text(SPEC)
    (tmp_path / "judging.py").write_text(FUNCTION)
    return tmp_path
