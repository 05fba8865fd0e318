let a = mean(x]
