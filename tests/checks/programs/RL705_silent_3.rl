data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
scorer rm from hf("model")
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
objective prefer for rm {
  minimize loss: -mean(log_sigmoid(score(rm, win) - score(rm, lose)))
}
