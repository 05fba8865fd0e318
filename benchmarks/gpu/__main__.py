"""Runs the GPU's tests, then every section, then prints the table: `python -m benchmarks gpu [--rehearse]`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description="the Triton back end on a GPU")
    parser.add_argument("--rehearse", action="store_true", help="everything on tiny shapes under Triton's interpreter, on the CPU")
    parser.add_argument("--no-tests", action="store_true", help="leave the tests out")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="these sections alone (limits come first by themselves)")
    parser.add_argument("--seconds", type=float, default=570.0, help="what has not begun by then is left out (570)")
    parser.add_argument("--json", type=Path, help="all numbers; by default gpu.json in the folder that OUT names, if any")
    parser.add_argument("--apart", action="store_true", help="each section in a process of its own, as on a GPU")
    parser.add_argument("--section", help=argparse.SUPPRESS)
    parser.add_argument("--ceilings", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> int:
    """What is interpreted is decided before Triton is imported."""
    chosen = parsed()
    if chosen.rehearse:
        os.environ["TRITON_INTERPRET"] = "1"
    from benchmarks.gpu import runs
    return runs.section(chosen) if chosen.section else runs.whole(chosen)


if __name__ == "__main__":
    sys.exit(main())
