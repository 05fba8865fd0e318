"""`rldsl score`: the reward graph alone, on completions that exist already. Trains nothing, samples nothing."""
