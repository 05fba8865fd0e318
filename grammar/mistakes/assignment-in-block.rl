train {
  repeat 200 {
    multiplier = multiplier * 0.99
  }
}
