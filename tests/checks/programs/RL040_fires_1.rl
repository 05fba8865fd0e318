test "nothing" { let x = [1, 2] @ sample }
