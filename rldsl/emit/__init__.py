"""From staged objectives to code (`to_numba`, `to_torch`), and from any graph to numbers (`evaluate`)."""
