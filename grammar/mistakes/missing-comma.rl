let advantage = total - mean(total per: prompt)
