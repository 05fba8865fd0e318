reward r = correct ? 1 : 0
