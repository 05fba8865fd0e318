response win = pairs.chosen
let a = 1
