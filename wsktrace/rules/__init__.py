"""What must hold: the contract's rules as declarations on seven shapes.

``rule`` says what a rule is, ``shapes`` how verdicts come about, ``facts`` what a rule may ask, ``engine`` judges,
``causes`` and ``ignoring`` say what follows from what and what does not count. ``registry`` names the modules that
declare rules; the others hold what several of these share: ``calls``, ``state`` and ``lookups`` about calls and
sockets, ``irp_history`` and ``irp_moments`` about IRPs, ``event_calls`` and ``enabled`` about callbacks, ``frames``
about what ran inside what, ``freed`` about memory, ``blocks`` about registrations.
"""
