"""From an export to a folder that studies can use, with a readiness report and a twin.

The source is only ever read. What is written into the hospital's folder holds no identifier; what
may hold one (the key, the list of files that a human must look at) lies beside it and is readable
by its owner only.
"""
