"""``python -m wsktrace`` is the command line."""

from __future__ import annotations

from wsktrace.cli.main import main

if __name__ == "__main__":
    main()
