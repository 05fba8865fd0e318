guard mean(kl) < 2.0

train { save }
