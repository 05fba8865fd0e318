rollout y ~ actor(problems.question) samples: 8
