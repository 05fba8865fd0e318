param β: Real = 0.1
