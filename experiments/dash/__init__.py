"""The live dashboard of a folder of results: what runs, how far it is, and what came out. It reads, and writes nothing.

`overview.py` looks at the folder, `server.py` tells browsers what it saw, and `page/` is what they show.
"""
