let a = 1
