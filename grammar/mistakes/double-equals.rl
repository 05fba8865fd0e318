let a == 1
