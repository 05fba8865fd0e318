"""What a value means, whatever way it is written: a normal form with a structural hash, and hashes of functions by it."""
