objective grpo { maximize mean(ratio * advantage) }
