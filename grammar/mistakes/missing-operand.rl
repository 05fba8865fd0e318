let a = (b + ) * 2
