param beta: Real = .01
