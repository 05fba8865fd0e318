guard mean(correct) > 0 && mean(kl) < 2 else stop
