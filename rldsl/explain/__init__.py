"""What `rldsl explain` prints: equations, the typed graph, coupling, kernels and their cost. Decides nothing."""
