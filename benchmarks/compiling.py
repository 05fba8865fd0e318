"""How long it takes from text to the text of kernels, for every example and method: CPU time of this process, the best of three.

What numba makes of the text is compiled once for each machine, kept on disk, and not counted.
"""

from __future__ import annotations

import time
from pathlib import Path

from rldsl.compiler import check_source
from rldsl.emit.to_numba import emit_numba
from rldsl.graph.spec import Spec
from rldsl.loading import project_loader
from rldsl.passes import compile_objective
from rldsl.source import Source

ROOT = Path(__file__).parents[1]


def specs() -> list[Path]:
    """The examples, and the methods."""
    return sorted((ROOT / "examples").glob("*.rl")) + sorted((ROOT / "examples" / "methods").glob("*.rl"))


def checked(path: Path) -> Spec:
    """From text to the typed graph."""
    result = check_source(Source(path.name, path.read_text(encoding="utf-8")), project_loader(path.parent))
    assert result.spec is not None and not result.errors, path
    return result.spec


def seconds(path: Path) -> tuple[float, float, int]:
    """CPU time to the typed graph and from there to the text of kernels; the nodes of the largest objective."""
    best = (float("inf"), float("inf"))
    nodes = 0
    for _ in range(3):
        began = time.process_time()
        spec = checked(path)
        typed = time.process_time()
        for objective in spec.objectives:
            staged = compile_objective(spec, objective)
            emit_numba(staged)
            nodes = max(nodes, len(staged.graph))
        best = min(best, (typed - began, time.process_time() - typed), key=sum)
    return *best, nodes


def main() -> None:
    """The ten that take longest."""
    rows = sorted(((sum(found[:2]), *found, path.stem) for path in specs() for found in [seconds(path)]), reverse=True)
    print(f"{len(rows)} specs; text to kernels, CPU seconds: largest {rows[0][0]:.2f}, median {rows[len(rows) // 2][0]:.2f}")
    for total, to_graph, to_kernels, nodes, name in rows[:10]:
        print(f"  {name:<28} {total:.2f} s  (typed graph {to_graph:.2f}, kernels {to_kernels:.2f}; {nodes} nodes)")


if __name__ == "__main__":
    main()
