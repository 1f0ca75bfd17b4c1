"""Phantom hospitals, drawn from formulas and random numbers and written as real files; no person's image was used."""
