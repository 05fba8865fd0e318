let a = 2x + 1
