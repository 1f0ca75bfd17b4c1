"""This hospital's audit log: appended only, hash-chained, its signed heads kept by others."""
