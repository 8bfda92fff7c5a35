"""A trace as a timeline for ui.perfetto.dev: timeline.py draws, packets.py encodes, serve.py hands it to the page."""
