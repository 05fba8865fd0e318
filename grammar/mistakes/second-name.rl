policy ref = actor
