"""What an ingested folder is fit for: findings, fitness for a study, memory, synthetic twin."""
