import clipped from std.surrogate
