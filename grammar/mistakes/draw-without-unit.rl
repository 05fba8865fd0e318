train {
  repeat 200 {
    draw 16
    update actor with pg { optimizer: adamw(lr: 1e-6) }
  }
}
