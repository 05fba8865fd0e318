let a = clip(x, 1. - eps .. 2)
