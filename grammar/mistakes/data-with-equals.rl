data problems = jsonl("train.jsonl") { question: Text }
