minimize_me <- (value - target) ** 2
