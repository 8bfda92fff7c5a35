"""Tables in, text out: one leaf module per format."""
