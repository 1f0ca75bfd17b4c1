"""This hospital's part in secure sums: its secrets, who belongs to a sum, and what it has helped to open; vectors in, masked vectors out."""
