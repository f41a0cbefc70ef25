"""`hedgerow import`, `hedgerow export` and `hedgerow core repoint`: the way in and out for estates.

In come paths and names, and the environment that `hedgerow env` prints; out go findings, counts and
files. It reads files and calls the cloud; what an estate is and what becomes of it is decided in
`hedgerow.estate`. What must never happen here: a private key that leaves its file.
"""
