## Losses of value functions.

## Squared error, not below that of a prediction kept near the old one. Schulman's PPO code; with the factor 1/2.
fn clipped_value_loss(value: Real, old: Real, target: Real, radius: Real) -> Real =
  max((value - target) ^ 2, (old + clip(value - old, -radius .. radius) - target) ^ 2) / 2

test "a value that jumped too far is charged as if it had not" {
  expect clipped_value_loss(1, 0, 1, 0.2) == 0.32 within 1e-12
  expect clipped_value_loss(0.1, 0, 1, 0.2) == 0.405 within 1e-12
}
