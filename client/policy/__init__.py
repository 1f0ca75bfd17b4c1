"""The hospital's own word on what may leave it: rules, approvals, daily limits, withdrawals and the stop; nothing here asks the server."""
