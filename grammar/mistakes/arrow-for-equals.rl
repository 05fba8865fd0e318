let a <- 1
