"""The story of an IRP, a socket, a finding or a moment: ``Stories`` (stories.py) tells a ``Story`` (told.py).

rows, extent, requests, about and index find the few rows that matter; arguments and words make sentences of
operations, lines puts them in order, notes says what is not known, facts what stands above; messages weaves in the
driver's own; text and menu print.
"""
