let a = where(correct, +1, -1)
