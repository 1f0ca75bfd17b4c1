"""One hospital's folder as cached, patient-split images with named targets; nothing here sends."""
