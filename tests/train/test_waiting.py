"""An update asks a device for nothing before it is at its end: every look of the host at a tensor is found, and where it was made.

Under the interpreter tensors are on the CPU, where a look costs nothing; on a GPU each would wait for all that is queued. What lies
on the host there as well (targets before they are uploaded, the mask of the head once it has arrived) is the head's own matter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from rldsl.train import loop
from rldsl.train.devices import Chosen
from rldsl.train.iteration import Iteration
from tests.train.specs import HEAD, ROLLOUT, WHOLE, run

ASKING = {"_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique_consecutive", "_unique2"}
LOOKS = ("item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__array__")
VALUES, COPIES = "rldsl/triton_backend.py:values", "rldsl/kernels/device/arrays.py:__getitem__"
ON_HOST = "rldsl/meaning.py"  # what is logged of clips is computed from arrays
HEAD_OF_DEVICE = ("rldsl/kernels/", "rldsl/emit/", "rldsl/triton_backend.py", "triton/")


def place() -> str:
    """The innermost function of the package, or of Triton's interpreter, that is running."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        for part in ("/rldsl/", "/triton/"):
            if part in path and "/tests/" not in path:
                return f"{part[1:]}{path.rpartition(part)[2]}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"


class Watching(TorchDispatchMode):
    """Operations whose result the host must know, and in backward passes too."""

    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, function: Any, types: Sequence[type], arguments: tuple[Any, ...] = (),
                           keywords: Mapping[str, Any] | None = None) -> Any:
        name = function._schema.name.partition("::")[2]
        by_truth = name in ("index", "index_put_", "_index_put_impl_") and any(
            isinstance(entry, Tensor) and entry.dtype is torch.bool for entry in arguments[1])
        if name in ASKING or by_truth:
            self.found.append(place())
        return function(*arguments, **(keywords or {}))


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Where the host looked at a tensor, in order."""
    found: list[str] = []

    def looking(own: Any) -> Any:
        def look(tensor: Tensor, *arguments: Any, **keywords: Any) -> Any:
            found.append(place())
            return own(tensor, *arguments, **keywords)
        return look
    with monkeypatch.context() as patch:
        for name in LOOKS:
            patch.setattr(Tensor, name, looking(getattr(Tensor, name)))
        with Watching(found):
            yield found


def looks_of(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of the updates of the second iteration."""
    pytest.importorskip("triton")
    found: list[str] = []
    update = Iteration.update

    def watching(iteration: Iteration, *arguments: Any) -> int:
        if iteration.number != 1:
            return update(iteration, *arguments)
        with watched(monkeypatch) as seen:
            steps = update(iteration, *arguments)
        found.extend(seen)
        return steps
    monkeypatch.setattr(loop.Iteration, "update", watching)
    run(text, folder, chosen=Chosen(backend="triton"), stop_after=2)
    return found


def own(looks: Sequence[str]) -> list[str]:
    """Without those of the head and of the interpreter, but for its values at the end and copies of its reads."""
    return [look for look in looks if look in (VALUES, COPIES) or not look.startswith(HEAD_OF_DEVICE)]


TEXT = WHOLE.replace("repeat 4", "repeat 2").replace("draw 8 prompts", "draw 2 prompts").replace("minibatch: 4 prompts, ", "")
CRITIC = HEAD + ROLLOUT + """
critic v from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
objective values for v { minimize error: mean((value(v, y) - places) ^ 2) }
train { repeat 2 { draw 2 prompts  update v with values { optimizer: adamw(lr: 1e-2) } } }
"""


@pytest.mark.slow
@pytest.mark.parametrize("text", [TEXT, CRITIC], ids=["policy", "critic"])
def test_an_update_is_waited_for_at_its_end_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """First the values of the objective, for which everything is waited; then the norm and what is logged: there by then."""
    found = [look for look in own(looks_of(text, tmp_path, monkeypatch)) if not look.startswith(ON_HOST)]
    looks = [look for look, _ in groupby(found)]  # one look is several calls
    assert looks[:2] == [VALUES, "rldsl/train/update.py:_differentiate"]
    assert set(looks[2:]) <= {VALUES, COPIES}, sorted(set(looks))


def test_a_look_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch itself: each of these waits on a GPU."""
    value = torch.ones(3)
    with watched(monkeypatch) as found:
        bool(value[0] > 0)
        float(value.sum())
        value.tolist()
        value[value > 0]
        torch.nonzero(value)
    assert len(found) >= 5
    with watched(monkeypatch) as found:
        torch.where(value > 0, value, 0.0).sum()
        value[torch.tensor([0, 2])] = 1.0
    assert found == []
