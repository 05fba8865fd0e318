let a =
let b = 2
