data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from hf("model")
policy ref from hf("other")
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
