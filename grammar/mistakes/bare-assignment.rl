import std.surrogate (clipped)

advantage = total - mean(total, per: prompt)
