"""Small specs that train in seconds, the project they live in, and runs of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rldsl.compiler import check_source
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.source import Source
from rldsl.train.outcome import RunResult
from rldsl.train.runner import run_spec

TASKS = '''
def problems(count=64, letters=2):
    import itertools
    words = ["".join(word) for word in itertools.permutations("abcd", letters)]
    for place in range(count):
        word = words[place % len(words)]
        yield {"question": word + ">", "answer": "".join(sorted(word)), "number": place}
'''

HEAD = """
data problems from python("tasks:problems", count: 48) { question: Text  answer: Text target  number: Int }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
"""

ROLLOUT = """
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 3 }
reward correct = verify.equal(y.text, problems.answer)
reward places = text.matching_places(y.text, problems.answer)
"""

GRPO = """
import std.surrogate (clipped)
import std.divergence (k3)
let advantage = (places - mean(places, per: prompt)) / (std(places, per: prompt) + 1e-4)
objective grpo for actor {
  maximize surrogate: mean(clipped(exp(logp(actor, y) - y.logp), advantage, 0.8 .. 1.28))
  maximize entropy: 0.003 * mean(entropy(actor, y))
}
"""

TRAIN = """
train { repeat 4 { draw 8 prompts
  update actor with grpo { minibatch: 4 prompts, optimizer: adamw(lr: 1e-2), clip_gradient: 1.0 } } }
"""

WHOLE = HEAD + ROLLOUT + GRPO + TRAIN


def project_of(folder: Path, tasks: str = TASKS) -> Path:
    """A project folder with its task module."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tasks.py").write_text(tasks)
    return folder


def spec_of(text: str, project: Path, overrides: Mapping[str, str] | None = None) -> Spec:
    """A spec without mistakes."""
    ordered = sorted(text.splitlines(), key=lambda line: not line.startswith("import"))
    result = check_source(Source("test.rl", "\n".join(ordered) + "\n"), project_loader(project), overrides or {})
    assert not result.errors, [(entry.title, entry.why) for entry in result.errors]
    assert result.spec is not None
    return result.spec


def run(text: str, folder: Path, *, out: str = "run", overrides: Mapping[str, str] | None = None, tasks: str = TASKS,
        **arguments: Any) -> RunResult:
    """Train a spec in a fresh project below `folder`."""
    project = project_of(folder / "project", tasks)
    return run_spec(spec_of(text, project, overrides), project=project, out=folder / out, quiet=True, **arguments)


def lines_of(run_folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics without their clocks."""
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "time"} for line in lines]


def numbers_of(run_folder: Path) -> list[dict[str, Any]]:
    """The lines that are of an iteration or an evaluation."""
    return [line for line in lines_of(run_folder) if "event" not in line]


def weights_of(run_folder: Path) -> dict[str, bytes]:
    """Every file of weights and optimizers of the last checkpoint."""
    last = max((run_folder / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    return {str(path.relative_to(last)): path.read_bytes() for path in sorted(last.rglob("*.safetensors"))}
