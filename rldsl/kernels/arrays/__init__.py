"""What `kernels.pointwise` and `kernels.reference` mean, on numpy arrays and without gradients: for what needs no torch."""
