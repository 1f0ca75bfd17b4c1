"""What an update goes through and what undoes it: both halves of a stage in one class, no IO."""
