"""The hospital's process with data and without a network: admission, work, and one outbox."""
