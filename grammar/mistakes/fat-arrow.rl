fn double(x: Real) => 2 * x
