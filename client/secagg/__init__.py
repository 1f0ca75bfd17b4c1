"""This hospital's part in secure sums: vectors in, masked vectors out, and no sum opened twice."""
