import torch
from trl import GRPOTrainer

def reward_fn(completions, **kwargs):
    return [1.0 if c == "x" else 0.0 for c in completions]

config = dict(epsilon=0.2, beta=0.001)
trainer = GRPOTrainer(model="m", reward_funcs=reward_fn)
trainer.train()
