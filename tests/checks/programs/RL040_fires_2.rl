test "shape" {
  let x = [1, 2] @ sample
  let z = [1, 2, 3] @ sample
  expect x == z
}
