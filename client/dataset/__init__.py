"""One hospital's folder as cached, patient-split images with named targets; it imports nothing that can send anything anywhere."""
