state count: Int = 0
count += 1
