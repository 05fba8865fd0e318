let a := 1
