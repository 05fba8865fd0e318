"""Compiles emitted Triton kernels for GPUs that are not there, and says what came out: registers, spills, bytes, instructions.

Triton runs in child processes, with its own ptxas and disassembler; results are kept by content. Runs no kernel."""
