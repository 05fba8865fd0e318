let a = 1 + 2 * 3 ^ 2 ^ x - -y / z
let b = -x ^ 2 * -(-x) + 2 ^ -1
let c = not a == b and c < d or not (e >= f) and g != h
let d = verify.number(y.text) else prm.value else 0
let e = a else (b else c)
let f = (a else b) else c
let g = x else skip
let h = mean(x else stop)
let i = logp(actor, y given problems.question + "a")
let j = y given a + b == z
let k = a - (b - c) - d
let l = a / (b / c) * (d * e)
let m = [0.25, 0.5, 0.75]
let n = [[1, 2], [3], []]
let o = "quotes \" backslash \\ newline \n tab \t é 世界"
let p = clip(x, -inf .. 1 + eps)
let q = a.b.c(d)(e).f
let r = true and false
let s = 5ms + 1.5h + 2m + 30s
let t = 1e-6 + 1E+3 + 0.5 + 007
let u = top(x, k: 3, per: prompt, to: token, from: end, in: z, not: 1, else: 2)
let v = (((1)))
let w = f(
  # first
  a, # why a

  b # why b
  # last
)
let x = a # plus
  # more
  + b
let y = sum(logp(actor, win) - logp(ref, win), per: sample) - sum(logp(actor, lose) - logp(ref, lose), per: sample)
let z = where(condition_that_is_long, mean(value_that_is_long, per: prompt), other_value_that_is_long_too + 1)
