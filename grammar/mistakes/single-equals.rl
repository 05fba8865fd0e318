guard mean(correct) = 0 else stop
