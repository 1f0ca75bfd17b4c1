"""A finished run as one page and one JSON file: it reads what the run wrote, asks no hospital."""
