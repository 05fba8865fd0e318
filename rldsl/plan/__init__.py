"""What work costs on a GPU, and what is chosen for it: bytes and FLOPs of an objective, tiles of kernels, rows of chunks, times
predicted against the limits of a named machine. A model; what a device measured goes before it (`search`). Imports no torch."""
