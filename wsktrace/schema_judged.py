"""The tables of judgement and measurement: findings, rules, quality, latency."""

from __future__ import annotations

from wsktrace.schema_columns import Column, Table, address, key, ns, time

__all__ = ["FINDINGS", "LATENCY", "QUALITY", "RULES", "RUNNING"]

#: ``quality.detail`` of the edge of a load whose beginning is not in the trace.
RUNNING = "the driver was running before the trace began"

FINDINGS = Table(
    "findings",
    "One broken rule (fail), or one that would be broken if nothing is hidden (suspect).",
    (
        key("finding_id", "unique in the trace"),
        Column("rule", "word", "id of the rule", nullable=False),
        Column("verdict", "word", "fail, suspect, or, only where asked for, unknown or note", nullable=False),
        Column("severity", "word", "error, warning or info", nullable=False),
        Column("party", "word", "whose duty the rule is: client, provider or instrumentation", nullable=False),
        Column("reason", "word", "U-CAP, U-START, U-LOST, U-ORDER, U-ALIAS or U-END; null for fail"),
        time("time", "when the rule was broken", nullable=False),
        Column("subject_table", "word", "table of the life that was judged", nullable=False),
        Column("subject_id", "uint64", "its row", nullable=False),
        address("subject_address", "its address"),
        Column("irp_id", "uint64", "row of irps that it is about"),
        address("irp", "address of that IRP"),
        Column("socket_id", "uint64", "row of sockets that it is about"),
        address("socket", "address of that socket"),
        Column("message", "string", "what happened, in a sentence", nullable=False),
        Column("evidence", "ids", "operations that show it, in order", nullable=False),
        Column("outstanding", "ids", "operations that were still going on at that time", nullable=False),
        Column("follows_from", "uint64", "finding that this one follows from; null where it stands for itself"),
        Column(
            "fingerprint",
            "string",
            "rule and kinds of the operations that show it: equal in other traces where the same goes wrong",
            nullable=False,
        ),
        Column("ignored", "string", "why it does not count: the profile's reason, or the baseline; null where it does"),
        Column(
            "source_file",
            "string",
            "file of the source, as the TMF names it: where the last message stands, of those that the given symbols"
            " describe, that the thread traced before the last operation of the evidence that the driver made, at most"
            " 10 ms before; not the call's own line. Null without symbols, and where a loss or other code may stand"
            " between",
        ),
        Column("source_line", "uint32", "line of that message in that file"),
    ),
)

RULES = Table(
    "rules",
    "One rule and how often it was judged how.",
    (
        Column("rule", "string", "id of the rule", nullable=False),
        Column("severity", "word", "the highest that it can give", nullable=False),
        Column("party", "word", "client, provider or instrumentation", nullable=False),
        Column("fail", "uint64", "instances that broke it", nullable=False),
        Column("pass", "uint64", "instances that provably kept it", nullable=False),
        Column("unknown", "uint64", "instances that the trace cannot decide", nullable=False),
        Column("suspect", "uint64", "of these, such as would be fails if nothing is hidden", nullable=False),
        Column("not_applicable", "uint64", "instances outside the rule's guard", nullable=False),
        Column("checked", "uint64", "instances inside it: pass, fail and unknown", nullable=False),
        Column("note", "uint64", "instances, part of pass, of what is legal and worth knowing", nullable=False),
        Column("u_cap", "uint64", "unknown, because the trace does not carry what is needed", nullable=False),
        Column("u_start", "uint64", "unknown, because it was alive before the trace began", nullable=False),
        Column("u_lost", "uint64", "unknown, because events are missing", nullable=False),
        Column("u_order", "uint64", "unknown, because the order on different CPUs is not certain", nullable=False),
        Column("u_alias", "uint64", "unknown, because the address may be another object's", nullable=False),
        Column("u_end", "uint64", "unknown, because the trace ends too early", nullable=False),
        Column("never_seen", "string", "kinds of events that it needs and the trace never shows, by commas"),
    ),
)

QUALITY = Table(
    "quality",
    "One fact about what the trace holds, what was lost and what is damaged.",
    (
        Column(
            "item",
            "word",
            "what is told: bytes, unpacked_bytes, events_lost, buffers_lost, damaged, gap, edge …",
            nullable=False,
        ),
        Column("name", "string", "which of them, for example the class of bytes", nullable=False),
        Column("value", "int64", "how much; events, buffers or bytes", nullable=False),
        Column("cpu", "uint16", "processor, where it concerns one"),
        time("start", "from when"),
        time("end", "until when"),
        Column("detail", "string", "in words"),
    ),
)

LATENCY = Table(
    "latency",
    "How long uses of IRPs took over one leg of their way, by operation, or by what was asked for: percentiles and the "
    "histogram behind them.",
    (
        Column("op", "word", "the call; all where the row is of all calls", nullable=False),
        Column(
            "leg",
            "word",
            "total (irps.total_ns: issue to completion), pending (irps.pending_ns: the return that said PENDING to the "
            "completion) or call (irps.call_ns: issue to return)",
            nullable=False,
        ),
        Column("status", "word", "name of the completion's status, none without one; null where not grouped by it"),
        Column("outcome", "word", "irps.outcome; null where not grouped by it"),
        Column("completion", "word", "irps.completion; null where not grouped by it"),
        Column("category", "word", "sockets.category, no socket or unknown; null where not grouped by it"),
        Column("family", "word", "address family of the socket by name, AF_INET …; null where not grouped by it"),
        Column("uses", "uint64", "uses of IRPs in this group", nullable=False),
        Column("absent", "uint64", "of these, such as have no such duration", nullable=False),
        Column("absent_open", "uint64", "of the absent, open at the end of the trace", nullable=False),
        Column("absent_inline", "uint64", "of the absent, completed before the call returned", nullable=False),
        Column("count", "uint64", "uses of IRPs that have this duration", nullable=False),
        ns("min_ns", "shortest, exact"),
        ns("p50_ns", "median, to 1 %"),
        ns("p90_ns", "90 of 100 took no longer, to 1 %"),
        ns("p99_ns", "99 of 100 took no longer, to 1 %"),
        ns("p999_ns", "999 of 1000 took no longer, to 1 %"),
        ns("max_ns", "longest, exact"),
        Column(
            "bins",
            "ids",
            "shortest duration, ns, of each bin of the histogram that is not empty; equal in every trace",
            nullable=False,
        ),
        Column("counts", "ids", "how many fell into each of these bins", nullable=False),
    ),
)
