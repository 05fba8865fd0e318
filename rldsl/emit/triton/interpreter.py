"""Whether Triton interprets kernels on the CPU, and what has to be mended of its interpreter."""

from __future__ import annotations

import inspect
import os
from functools import cache
from types import SimpleNamespace
from typing import Any


def is_interpreted() -> bool:
    """Whether kernels run under the interpreter: decided by the environment when triton is imported."""
    return os.environ.get("TRITON_INTERPRET", "0") not in ("", "0")


@cache
def mend_interpreter() -> None:
    """A scalar truth that meets a block of them stays one. In Triton 3.9 the interpreter holds comparisons under the type of
    what was compared, and fills the block with floats, which `&` and `|` refuse.

    A scalar counts as a Python number where one is asked for, as by `range`. Up to Triton 3.6 the interpreter hands numpy the array
    of one element that it holds, which numpy 2.5 refuses.

    At every launch, and at every call of a function of a kernel, it looks through the whole language for what it has to
    replace, which takes longer than small kernels do: what is found the first time is looked up from then on."""
    import numpy as np
    from triton.runtime import interpreter
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle
    plain, patch = InterpreterBuilder.create_splat, interpreter._patch_lang_tensor

    def create_splat(self: Any, ret_ty: Any, arg: Any) -> Any:
        if np.asarray(arg.data).dtype == np.bool_:
            return TensorHandle(np.full(ret_ty.shape, arg.data), arg.dtype.scalar)
        return plain(self, ret_ty, arg)

    def patch_lang_tensor(tensor: Any, scope: Any) -> None:
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    InterpreterBuilder.create_splat = create_splat
    interpreter._patch_lang_tensor = patch_lang_tensor
    interpreter.inspect = SimpleNamespace(**{**vars(inspect), "getmembers": _builtins_in})


def _builtins_in(place: Any) -> list[tuple[str, Any]]:
    """What `inspect.getmembers` finds, of which the interpreter keeps the builtins of the language alone, as they are now."""
    return [(name, getattr(place, name)) for name in _builtin_names(place)]


@cache
def _builtin_names(place: Any) -> tuple[str, ...]:
    """Asked for the first time before anything of the place is replaced: only the interpreter does that, after it has asked."""
    from triton.language.core import is_builtin

    return tuple(name for name, member in inspect.getmembers(place) if is_builtin(member))
