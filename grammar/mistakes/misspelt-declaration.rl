objectve grpo for actor { maximize mean(x) }
