"""Measure a local site and write docs/benchmarks.json and docs/benchmarks.md."""
