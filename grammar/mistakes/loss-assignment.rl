loss = -mean(ratio * advantage)
