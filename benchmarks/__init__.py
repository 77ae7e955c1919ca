"""Commands that print ratios: python -m benchmarks.NAME."""
