"""DICOM: headers opened within limits, files sorted into series, series into volumes; what cannot be a volume is refused, never guessed."""
