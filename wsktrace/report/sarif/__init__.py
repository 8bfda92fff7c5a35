"""The account of a trace as SARIF 2.1.0: log.py the whole, rules.py its rules, places.py where results stand."""
