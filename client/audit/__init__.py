"""This hospital's record of every question and answer: appended only, hash-chained, its signed heads kept by others."""
