let middle = 0.2 < share < 0.8
