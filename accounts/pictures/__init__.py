"""Pictures of people: how a file that somebody sent becomes two small squares, and where those are found.

``redrawing`` opens the file, in a process of its own that ``opening`` starts and ends; ``names`` says what the files
are called and what their addresses are. The writes are in `accounts.services.pictures`.
"""
