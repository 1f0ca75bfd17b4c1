"""Benchmarks: ``./run bench [NAME]`` prints one JSON object a line and exits with 1 if a goal is missed."""
