"""Emits Triton: row kernels, combine kernels, and the functions that launch them."""

from rldsl.emit.triton.module import TritonSource, emit_triton

__all__ = ["TritonSource", "emit_triton"]
