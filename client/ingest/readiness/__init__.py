"""What an ingested folder is fit for, said before any study asks: findings, fitness, memory, and a synthetic twin."""
