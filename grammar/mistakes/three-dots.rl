objective g for actor { maximize mean(clipped(ratio, advantage, 0.8 ... 1.28)) }
