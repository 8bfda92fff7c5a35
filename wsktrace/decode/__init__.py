"""Record payloads become typed columns."""
