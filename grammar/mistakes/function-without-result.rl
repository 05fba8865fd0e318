fn double(x) = { let y = 2 * x }
