objective g for actor { maximize mean(clipped(ratio, advantage, epsilon: 0.2)) }
