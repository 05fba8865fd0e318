"""Imports emitted Triton modules, as files, since `@triton.jit` reads the source of a function from its file."""

from __future__ import annotations

import functools
import os
from importlib.util import find_spec
from types import FunctionType, ModuleType

from rldsl.emit.load import load_module
from rldsl.emit.triton.interpreter import mend_interpreter

INTERPRET = "TRITON_INTERPRET"


class TritonMissing(RuntimeError):
    """Triton is not installed, or was imported under another setting than the one that holds now."""


def load_triton(text: str, stem: str) -> ModuleType:
    """The module of this text. Where kernels are interpreted, its launch functions keep numpy silent, which would warn of
    what a GPU takes in its stride: -inf - -inf in a masked logit that is then not selected."""
    is_interpreted = interprets()
    if is_interpreted:
        mend_interpreter()
    module = load_module(text, stem)
    if is_interpreted and not hasattr(module, "__silenced__"):
        _silence(module)
    return module


def interprets() -> bool:
    """Whether kernels run in Triton's interpreter, on the CPU: what `TRITON_INTERPRET` was when triton was first imported."""
    if find_spec("triton") is None:
        raise TritonMissing("Triton is not installed: `pip install triton` (Linux; no GPU is needed to compile or interpret)")
    import triton
    import triton.language as tl
    started = not isinstance(tl.sum, triton.JITFunction)
    if started != triton.knobs.runtime.interpret:
        raise TritonMissing(f"{INTERPRET} is {os.environ.get(INTERPRET, 'unset')}, but triton was imported when it was "
                            f"{'set' if started else 'not'}: set it before the process starts")
    return started


def _silence(module: ModuleType) -> None:
    for name, value in list(vars(module).items()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            setattr(module, name, _silent(value))
    module.__silenced__ = True  # type: ignore[attr-defined]


def _silent(launch: FunctionType) -> object:
    import numpy as np

    @functools.wraps(launch)
    def quiet(*arguments: object, **named: object) -> object:
        with np.errstate(all="ignore"):
            return launch(*arguments, **named)
    return quiet
