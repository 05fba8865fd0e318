data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
scorer rm from hf("model")
scorer slow = ema(rm, rate: 0.05)
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
objective prefer for rm {
  minimize loss: -mean(log_sigmoid(score(rm, win) - score(rm, lose)))
}
objective follow for slow {
  minimize loss: mean((score(slow, win) - 1) ^ 2)
}
train {
  repeat 10 {
    draw 16 rows
    update slow with follow { optimizer: adamw(lr: 1e-6) }
  }
}
