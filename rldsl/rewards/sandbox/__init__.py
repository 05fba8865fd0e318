"""Model-written code in processes of its own. What runs inside a box is on the standard library alone (Python 3.10 or newer)."""
