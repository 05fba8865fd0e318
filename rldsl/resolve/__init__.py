"""From syntax trees to names: which module a name comes from, what depends on what, in which order to elaborate."""
