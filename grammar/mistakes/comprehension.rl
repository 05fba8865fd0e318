let total = sum(r for r in rewards)
