# a plain comment first

## Not the module's: a plain comment stands before it.

## doc of a
let a = 1   # behind a   


# between


## doc of b, first line
##   second line, indented
##
## last line
let b = 2
let c = 3 ## behind c, not documentation

data d # 1
  from # 2
  jsonl( # 3
    "x" # 4
    # 5
  ) # 6
{ # 7
  # 8
  q: Text, # 9
  # 10
  a: Text # 11
  target # 12
  # 13
} # 14

policy p from hf("x") { a: 1, # first
  b: 2 } # second
policy q from hf("x") {
  # nothing else
}

train {

  # in a block

  repeat 2 { # two

    save # saved


    # still
    save
    # at its end
  }

  # at the end
}
fn f( # nothing
) = { # body
  let x = 1 # one
  # result
  x # two
}
rubric r judged by j {
  "long text here" # t
   weight 1
  # next
  "short" veto, # v
}
# at the very end
