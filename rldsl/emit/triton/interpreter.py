"""Whether Triton interprets kernels on the CPU, and what has to be mended of its interpreter."""

from __future__ import annotations

import os
from functools import cache
from typing import Any


def is_interpreted() -> bool:
    """Whether kernels run under the interpreter: decided by the environment when triton is imported."""
    return os.environ.get("TRITON_INTERPRET", "0") not in ("", "0")


@cache
def mend_interpreter() -> None:
    """A scalar truth that meets a block of them stays one. In Triton 3.9 the interpreter holds comparisons under the type of
    what was compared, and fills the block with floats, which `&` and `|` refuse."""
    import numpy as np
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle
    plain = InterpreterBuilder.create_splat

    def create_splat(self: Any, ret_ty: Any, arg: Any) -> Any:
        if np.asarray(arg.data).dtype == np.bool_:
            return TensorHandle(np.full(ret_ty.shape, arg.data), arg.dtype.scalar)
        return plain(self, ret_ty, arg)

    InterpreterBuilder.create_splat = create_splat
