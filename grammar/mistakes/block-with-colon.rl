train:
  repeat 200:
    draw 64 prompts
