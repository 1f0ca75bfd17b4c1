"""Updates of many hospitals become one: screened, added exactly, unmasked as a sum; a single masked vector is never looked at."""
