"""The coordinator: protected updates and aggregates only, never a scan."""
