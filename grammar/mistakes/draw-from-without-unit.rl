train {
  repeat 200 { draw size from problems }
}
