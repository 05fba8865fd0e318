fn double(x: Real): Real = 2 * x
