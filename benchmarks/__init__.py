"""What wsktrace costs, measured: ``python -m benchmarks`` (see README.md)."""
