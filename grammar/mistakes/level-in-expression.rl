let a = logp(actor, y) @ sample
