"""What a judge is asked and what its replies mean: rubrics, preferences between two texts, verdicts on steps. Sends nothing."""
