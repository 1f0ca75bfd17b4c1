"""The hospital's process with data and without a network: a question is admitted by the policy, answered, and leaves by one door."""
