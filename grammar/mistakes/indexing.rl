reward first_one = y[0]
