maximize mean(x)
