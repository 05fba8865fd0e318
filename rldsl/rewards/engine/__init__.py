"""Values of the host part of a graph: what is asked, where, in which order, at the same time as what."""
