guard mean(kl) < 2.0 else abort
