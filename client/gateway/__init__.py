"""The hospital's process with a network and without data: it carries sealed envelopes, no more."""
