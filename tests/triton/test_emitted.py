"""The text of the row kernels."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rldsl.emit.to_head import RowShape
from rldsl.emit.triton.fuse import Fused
from rldsl.emit.triton.rows import emit_rows_module, row_signatures
from tests.triton.shapes import SHAPES

FUSED = Fused((), ("    logp_by, entropy_by, logz_by = -1.0, -0.01, 0.0",), {})
ROWS = {"row", "x", "y", "y0", "y1", "x_row", "y0_row", "y1_row"}  # pointers to logits, of any dtype


def texts() -> Iterator[tuple[RowShape, str]]:
    """Of all shapes."""
    for name, shape in SHAPES.items():
        yield shape, emit_rows_module([shape], [FUSED if name == "entropy" else None])


def _base(address: ast.expr) -> str:
    """The pointer at the left of an address."""
    while isinstance(address, ast.BinOp):
        address = address.left
    return ast.unparse(address)


def _loads_rows(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "tl.load" and _base(node.args[0]) in ROWS


def test_every_logit_becomes_float32_where_it_is_loaded() -> None:
    # The interpreter computes bfloat16 on raw bits, silently; a GPU would round every sum.
    for _, text in texts():
        tree = ast.parse(text)
        loads = [node for node in ast.walk(tree) if _loads_rows(node)]
        raised = {ast.unparse(node.func.value) for node in ast.walk(tree)
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "to"
                  and ast.unparse(node.args[0]) == "tl.float32"}
        assert len(loads) == 3  # a whole block, the last block, one logit
        assert all(ast.unparse(load) in raised for load in loads)


def test_what_is_stored_in_rows_is_rounded_once_at_the_end() -> None:
    for _, text in texts():
        stores = [ast.unparse(node.args[1]) for node in ast.walk(ast.parse(text))
                  if isinstance(node, ast.Call) and ast.unparse(node.func) == "tl.store" and _base(node.args[0]) in ("out", "row")]
        assert set(stores) == {"value.to(out.dtype.element_ty)", "zeros"}


def test_the_same_shape_gives_the_same_text_and_needs_torch_and_triton_alone() -> None:
    for (_, text), (_, again) in zip(texts(), texts(), strict=True):
        assert text == again
        imports = [ast.unparse(node) for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert imports == ["import triton", "import triton.language as tl"]


def test_signatures_name_every_argument_of_every_kernel() -> None:
    for name, (shape, text) in zip(SHAPES, texts(), strict=True):
        functions = {node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
        signatures = row_signatures(0, shape, FUSED if name == "entropy" else None)
        assert {"read_rows0", "write_rows0", "partition_rows0", "finish_rows0"} <= {found.name for found in signatures}
        for signature in signatures:
            taken = [argument.arg for argument in functions[signature.name].args.args]
            assert sorted(taken) == sorted(signature.types(x="bf16", out="bf16", y0="bf16", y1="bf16"))


CHILD = """
import os, sys
from rldsl.emit.triton.load import TritonMissing, interprets
print(interprets())
os.environ["TRITON_INTERPRET"] = sys.argv[1]
try:
    print(interprets())
except TritonMissing as error:
    print(error)
"""


@pytest.mark.wide(1)
@pytest.mark.parametrize(("before", "after", "lines"), [
    ("1", "1", ["True", "True"]), ("0", "0", ["False", "False"]),
    ("0", "1", ["False", "TRITON_INTERPRET is 1, but triton was imported when it was not: set it before the process starts"])])
def test_whether_kernels_are_interpreted_is_settled_when_triton_is_imported(before: str, after: str, lines: list[str]) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    done = subprocess.run([sys.executable, "-c", CHILD, after], env={**os.environ, "TRITON_INTERPRET": before},
                          capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == lines
