"""The process of one measurement: ``python -m benchmarks.child TASK ARGUMENTS`` prints what it found as JSON."""

from __future__ import annotations

import importlib
import json
import sys

from benchmarks.memory import peak_mib

#: Task → the module and the function that does it.
TASKS = {
    "make-native": ("benchmarks.inputs", "native"),
    "make-wide": ("benchmarks.inputs", "wide"),
    "make-single": ("benchmarks.inputs", "single"),
    "read": ("benchmarks.readers", "read"),
    "stages": ("benchmarks.stages", "stages"),
    "walk": ("benchmarks.micro_etl", "walk"),
    "schema": ("benchmarks.micro_etl", "schema"),
    "payloads": ("benchmarks.micro_decode", "payloads"),
    "lanes": ("benchmarks.micro_model", "lanes"),
    "lives": ("benchmarks.micro_model", "lives"),
    "rules": ("benchmarks.micro_model", "rules"),
    "images": ("benchmarks.micro_model", "images"),
    "latency": ("benchmarks.micro_stats", "latency"),
}


def main() -> None:
    """Do the task that the command line names."""
    module, function = TASKS[sys.argv[1]]
    told = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    print(json.dumps({**told, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
