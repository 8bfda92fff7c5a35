"""The version of wsktrace, in a module that nothing else hangs on."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
