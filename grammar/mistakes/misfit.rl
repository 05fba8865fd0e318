let a b = 3
