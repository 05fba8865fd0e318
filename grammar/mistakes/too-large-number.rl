param bound: Real = 1e999
