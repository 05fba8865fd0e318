guard mean(kl) < 2.0
