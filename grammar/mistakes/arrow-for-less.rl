guard x <-1 else stop
