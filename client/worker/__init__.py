"""The hospital's process with data and without a network: admission, work, and one outbox.

Read ``handler.py`` first: it is the way of a question through this folder.
"""
