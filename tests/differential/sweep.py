"""The wide sweep of random specs, as a program: the emitted CPU functions run as plain Python, so that thousands fit.

`python -m tests.differential.sweep 2000`: prints each failing spec, shrunk, and exits with 1 if there is one. What numba
makes of the same text is the business of the compiled tests beside this. The kept specs run here too: plain Python sees an
index out of bounds, compiled code does not.
"""

from __future__ import annotations

import ast
import math
import os
import sys
from types import ModuleType

os.environ["NUMBA_DISABLE_JIT"] = "1"

import numpy as np

import rldsl.emit.combine
from tests.differential.random_specs import random_objective, spec_text
from tests.differential.test_random_specs import KEPT, difference, shrunk


class Ieee(ast.NodeTransformer):
    """Python raises where the compiled code follows IEEE: quotients and roots go through numpy."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """`a / b`."""
        self.generic_visit(node)
        if not isinstance(node.op, ast.Div):
            return node
        return ast.Call(ast.Name("divide_", ast.Load()), [node.left, node.right], [])


def load_plain(text: str, stem: str) -> ModuleType:
    """The module as plain Python."""
    module = ModuleType(stem)
    tree = ast.fix_missing_locations(Ieee().visit(ast.parse(text)))
    module.__dict__["divide_"] = lambda a, b: np.float64(a) / np.float64(b)
    exec(compile(tree, stem, "exec"), module.__dict__)
    module.__dict__["math"] = PlainMath
    return module


class PlainMath:
    """`math` without exceptions."""

    sqrt = staticmethod(lambda x: np.sqrt(np.float64(x)))
    log = staticmethod(lambda x: np.log(np.float64(x)))
    pow = staticmethod(lambda x, y: np.float64(x) ** np.float64(y))
    floor = staticmethod(lambda x: np.floor(np.float64(x)))
    copysign, isnan, inf, nan = math.copysign, math.isnan, math.inf, math.nan


def main(first: int, last: int) -> int:
    """How many seeds failed."""
    failed = 0
    rldsl.emit.combine.load_module = load_plain
    with np.errstate(all="ignore"):
        for path in sorted(KEPT.glob("*.rl")):
            for optimise in (True, False):
                found = difference(path.read_text(encoding="utf-8"), first, optimise)
                failed += found is not None
                print(f"{path.stem}: {found or 'agrees'}", flush=True)
        for seed in range(first, last):
            terms = random_objective(seed)
            for optimise in (True, False):
                if difference(spec_text(terms), seed, optimise) is None:
                    continue
                failed += 1
                least = spec_text(shrunk(terms, seed, optimise))
                passes = "on" if optimise else "off"
                print(f"seed {seed}, passes {passes}: {difference(least, seed, optimise)}\n{least}", flush=True)
    print(f"{last - first} specs, {failed} failures")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]), int(sys.argv[2])) else 0)
