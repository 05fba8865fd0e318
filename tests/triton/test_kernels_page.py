"""What docs/kernels.md quotes is in the emitted files, in one piece."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rldsl.emit.triton import emit_triton
from rldsl.graph.spec import Spec
from rldsl.passes import compile_objective
from rldsl.reporting import check_path
from rldsl.resolve.modules import LoadFailure

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def _spec(name: str) -> Spec:
    result = check_path(ROOT / "examples" / name, {})
    assert not isinstance(result, LoadFailure)
    assert result.spec is not None
    return result.spec


def _without_folders(text: str) -> str:
    """The name of the spec as it is written on the page, whatever folder it was read from."""
    return re.sub(r"# \S*?(\w+\.rl):", r"# examples/\1:", text)


def test_every_quoted_line_is_emitted() -> None:
    texts = []
    for name in ("dr_grpo.rl", "gspo.rl"):
        spec = _spec(name)
        texts.append(_without_folders(emit_triton(compile_objective(spec, spec.objectives[0]), spec.sources).text))
    assert len(QUOTED) > 12
    for block in QUOTED:
        assert any(block in text for text in texts), block


@pytest.mark.parametrize("name", ["dr_grpo.rl"])
def test_the_spec_on_the_page_is_that_of_the_example(name: str) -> None:
    quoted = re.search(r"```rl\n(.*?)```", PAGE, flags=re.DOTALL)
    assert quoted is not None
    assert quoted[1] in (ROOT / "examples" / name).read_text(encoding="utf-8")
