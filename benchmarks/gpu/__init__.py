"""The Triton back end on a GPU, against its limits and against named peers: `python -m benchmarks gpu`, or `make gpu`.

Without a GPU, `--rehearse` runs the whole of it on tiny shapes under Triton's interpreter. A rehearsal has no times."""
