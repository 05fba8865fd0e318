judge grader from openai(model: "judge") { timeout: 30sec }
