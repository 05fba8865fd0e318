train {
  for step in range(200) { draw 64 prompts }
}
