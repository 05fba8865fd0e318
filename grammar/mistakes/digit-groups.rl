param size: Int = 1_000_000
