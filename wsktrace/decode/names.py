"""Names of GUIDs and kernel event groups that many traces hold and no trace names.

Source: the vendor's ntwmi.h (EVENT_TRACE_GROUP_*) and evntrace.h; etl-and-wpp-format, 1.7; the providers' own
manifests.
"""

from __future__ import annotations

from typing import Final

__all__ = ["EVENT_SOURCE_MANIFEST", "KERNEL_GROUPS", "WELL_KNOWN", "kernel_group"]

#: Event id of the .NET EventSource manifest that such a provider writes into the trace itself.
EVENT_SOURCE_MANIFEST: Final = 0xFFFE

WELL_KNOWN: Final[dict[str, str]] = {
    # carried by merged traces
    "bbccf6c1-6cd1-48c4-80ff-839482e37671": "EventMetadata",
    "b3e675d7-2554-4f18-830b-2762732560de": "ImageID",
    "9b79ee91-b5fd-41c0-a243-4248e266e9d0": "SystemConfigEx",
    "ed54dff8-c409-4cf6-bf83-05e1e61a09c4": "WinSAT",
    # classic kernel events
    "68fdd900-4a3e-11d1-84f4-0000f80464e3": "EventTrace",
    "2cb15d1d-5fc1-11d2-abe1-00a0c911f518": "Image",
    "3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c": "Process",
    "3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c": "Thread",
    "3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c": "DiskIo",
    "90cbdc39-4a3e-11d1-84f4-0000f80464e3": "FileIo",
    "9a280ac0-c8e0-11d1-84e2-00c04fb998a2": "TcpIp",
    "bf3a50c5-a9c9-4988-a005-2df0b7c80f80": "UdpIp",
    "def2fe46-7bd6-4b80-bd94-f57fe20d0ce3": "StackWalk",
    "6a399ae0-4bc6-4de9-870b-3657f8947e7e": "RT_LostEvent",
    # manifest providers of Windows and .NET
    "22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716": "Microsoft-Windows-Kernel-Process",
    "edd08927-9cc4-4e65-b970-c2560fb5c289": "Microsoft-Windows-Kernel-File",
    "7dd42a49-5329-4832-8dfd-43d979153a88": "Microsoft-Windows-Kernel-Network",
    "b675ec37-bdb6-4648-bc92-f3fdc74d3ca2": "Microsoft-Windows-Kernel-EventTracing",
    "e53c6823-7bb8-44bb-90dc-3f86090d48a6": "Microsoft-Windows-Winsock-AFD",
    "2f07e2ee-15db-40f1-90ef-9d7ba282188a": "Microsoft-Windows-TCPIP",
    "dd5ef90a-6398-47a4-ad34-4dcecdef795f": "Microsoft-Windows-HttpService",
    "e13c0d23-ccbc-4e12-931b-d9cc2eee27e4": "Microsoft-Windows-DotNETRuntime",
    "a669021c-c450-4609-a035-5af59af4df18": "Microsoft-Windows-DotNETRuntimeRundown",
    "763fd754-7086-4dfe-95eb-c01a46faf4ca": "Microsoft-Windows-DotNETRuntimePrivate",
    "2e5dba47-a3d2-4d16-8ee0-6671ffdcd7b5": "System.Threading.Tasks.TplEventSource",
    "8e9f5090-2d75-4d03-8a81-e5afbf85daf1": "System.Diagnostics.Eventing.FrameworkEventSource",
}

#: Groups of SYSTEM, COMPACT and PERFINFO records: high byte of the hook id.
KERNEL_GROUPS: Final[tuple[str, ...]] = (
    "Header", "Io", "Memory", "Process", "File", "Thread", "TcpIp", "Job", "UdpIp", "Registry", "DbgPrint", "Config",
    "Spare1", "Wnf", "Pool", "PerfInfo", "Heap", "Object", "Power", "ModBound", "Image", "Dpc", "CacheManager",
    "CritSec", "StackWalk", "Ums", "Alpc", "SplitIo", "ThreadPool", "Hypervisor", "HypervisorX",
)  # fmt: skip


def kernel_group(group: int) -> str:
    """Return the name of a kernel event group, ``group 0x2a`` where it has none."""
    return KERNEL_GROUPS[group] if group < len(KERNEL_GROUPS) else f"group {group:#04x}"
