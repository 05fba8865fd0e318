train {
  repeat 200 {
    if size(hard) > 128 { save }
  }
}
