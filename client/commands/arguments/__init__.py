"""What can be typed after ``consilium site``; loading it loads neither a command nor a library."""
