"""Rewards of a spec inside other trainers: what each of them calls, made of one `LiveScores`. Trains nothing."""
