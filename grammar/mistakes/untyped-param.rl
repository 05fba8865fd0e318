param beta = 0.001
