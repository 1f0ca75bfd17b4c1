"""Benchmarks: ``./run bench [NAME]`` prints one JSON object a line.

It exits with 1 if a goal is missed.
"""
