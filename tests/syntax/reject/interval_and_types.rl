param a: Real in [0 1] = 0
param b: Real in 0 .. 1 = 0
param c: in [0, 1] = 0
param d: Real in [0, 1] @ = 0
fn f(a: Real b: Real) = a
fn g(a Real) = a
state s = 0
data d from jsonl("x") { a: Text tagret  b Text }
