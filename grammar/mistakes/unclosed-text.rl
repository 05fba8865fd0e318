data problems from jsonl("train.jsonl) { question: Text }
