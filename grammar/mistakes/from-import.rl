from std.surrogate import clipped
