"""Hounsfield units of what every body is made of, whatever the contrast medium does."""

from __future__ import annotations

AIR = -1000.0
LUNG = -860.0
FAT = -105.0
WATER = 8.0
"""Of a cyst or of bile; pure water would be 0."""
MUSCLE = 55.0
