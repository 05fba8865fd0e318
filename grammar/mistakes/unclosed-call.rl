let advantage = (total - mean(total, per: prompt)

objective g for actor { maximize mean(advantage) }
