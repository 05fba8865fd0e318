reward r = 1 if correct else 0
