"""Benchmarks: each module is one command that prints a table and keeps it in bench/results/."""
