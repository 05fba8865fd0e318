let baseline = mean(total, per=prompt)
