let ok = answer in [1, 2]
