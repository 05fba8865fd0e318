"""The vocabulary head of an objective on a device: library GEMMs by chunks, and emitted row kernels between them."""
