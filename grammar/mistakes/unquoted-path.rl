import lib/rewards as rewards
