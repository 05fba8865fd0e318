rollout y ~ actor { samples: 8 }
