"""The hospital: the only room in which patient data exists."""
