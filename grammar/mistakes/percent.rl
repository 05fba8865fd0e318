let fork = entropy(actor, y) >= quantile(entropy(actor, y), 80%)
