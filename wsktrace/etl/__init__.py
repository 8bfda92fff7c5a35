"""Bytes of an .etl file become records; nothing here knows of WSK."""
