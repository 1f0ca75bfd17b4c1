"""What may be asked: the study file, checked field by field, and the plug-ins that it may name."""
