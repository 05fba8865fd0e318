let wrong = !correct
