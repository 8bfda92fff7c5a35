"""The classes of the NT kernel logger and of merged traces, as data: event types, versions, fields in payload order.

A line of fields reads ``Name:type``; the types are those of ``TYPES``, ``[]`` is an array to the end of the payload,
``?`` a field that newer systems append. Structs are packed; of ``padded`` ones both widths are known.

Sources: the vendor's MOF classes as the win32 documentation has them (DiskIo, Process, Thread, Image, StackWalk,
TcpIp, UdpIp, PerfInfo, Lost_Event); driver-profiles, 6.2 (DRIVER events); etl-and-wpp-format, 1.7 (ImageID, and what
ETW writes into the header buffer). Seen whole in real traces: Process 1, 3, 4, 5, Thread 3 (with a name since Windows
10), Image 0 to 3, StackWalk, ImageID, disk reads, writes and flushes, TcpIp and UdpIp sends and receives, samples.
DRIVER events were found in no public trace: that they are packed is documented and what the type information of
Windows 10 and 11 says; 64-bit systems before Vista declared them with C's padding; both are taken. Nor were PoolTrace
events: their fields are those of the registered MOF class and of the kernel's own type information (_ETW_POOL_EVENT,
Windows 10 and 11), which agree; types and group are those of ntwmi.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wsktrace.decode.intypes import InType, OutType

__all__ = ["CLASSES", "LENGTHS", "MAJOR_FUNCTIONS", "TYPES", "KernelClass", "Shape"]

#: in-type and out-type by the words of the tables below
TYPES: Final[dict[str, tuple[int, int]]] = {
    "i8": (InType.INT8, OutType.NULL),
    "u8": (InType.UINT8, OutType.NULL),
    "u16": (InType.UINT16, OutType.NULL),
    "u32": (InType.UINT32, OutType.NULL),
    "hex32": (InType.HEXINT32, OutType.NULL),
    "u64": (InType.UINT64, OutType.NULL),
    "pid": (InType.UINT32, OutType.PID),
    "tid": (InType.UINT32, OutType.TID),
    "status": (InType.INT32, OutType.NTSTATUS),
    "time": (InType.FILETIME, OutType.NULL),
    "ptr": (InType.POINTER, OutType.NULL),
    "code": (InType.POINTER, OutType.CODE_POINTER),
    "str": (InType.ANSISTRING, OutType.NULL),
    "wstr": (InType.UNICODESTRING, OutType.NULL),
    "user": (InType.WBEMSID, OutType.NULL),
    "guid": (InType.GUID, OutType.NULL),
    "ip4": (InType.UINT32, OutType.IPV4),
    "ip6": (InType.BINARY, OutType.IPV6),
    "port": (InType.UINT16, OutType.PORT),
}

#: bytes of the binary ones among them
LENGTHS: Final = {"ip6": 16}


@dataclass(frozen=True, slots=True)
class Shape:
    """Events of one class that have the same fields."""

    versions: tuple[int, ...]
    types: tuple[int, ...]
    fields: str
    padded: bool = False


@dataclass(frozen=True, slots=True)
class KernelClass:
    """A class of events.

    Attributes:
        name: of the class.
        guid: of the class, as classic events carry it; empty where there is none.
        groups: (kernel group, types in it, None: all) of the same events as the kernel itself writes them.
        names: of its event types.
        shapes: of its events; the first that fits counts.
    """

    name: str
    guid: str
    groups: tuple[tuple[int, tuple[int, ...] | None], ...]
    names: dict[int, str]
    shapes: tuple[Shape, ...]


#: IRP_MJ_* of wdm.h
_MAJOR: Final = """
    CREATE CREATE_NAMED_PIPE CLOSE READ WRITE QUERY_INFORMATION SET_INFORMATION QUERY_EA SET_EA FLUSH_BUFFERS
    QUERY_VOLUME_INFORMATION SET_VOLUME_INFORMATION DIRECTORY_CONTROL FILE_SYSTEM_CONTROL DEVICE_CONTROL
    INTERNAL_DEVICE_CONTROL SHUTDOWN LOCK_CONTROL CLEANUP CREATE_MAILSLOT QUERY_SECURITY SET_SECURITY POWER
    SYSTEM_CONTROL DEVICE_CHANGE QUERY_QUOTA SET_QUOTA PNP"""
MAJOR_FUNCTIONS: Final[dict[int, str]] = {n: f"IRP_MJ_{name}" for n, name in enumerate(_MAJOR.split())}

_LIFE: Final = {1: "Start", 2: "End", 3: "DCStart", 4: "DCEnd"}

_IO: Final = "DiskNumber:u32 IrpFlags:hex32"
_DRIVER: Final = {34: "DrvMjFnCall", 35: "DrvMjFnRet", 37: "DrvComplRout", 52: "DrvComplReq", 53: "DrvComplReqRet"}
_DISK: Final = {10: "Read", 11: "Write", 12: "ReadInit", 13: "WriteInit", 14: "FlushBuffers", 15: "FlushInit"}
_DISK_IO: Final = KernelClass(
    "DiskIo",
    "3d6fa8d4-fe05-11d0-9dda-00c04fd7ba7c",
    ((1, None),),
    {**_DRIVER, **_DISK},
    (
        Shape(
            (1,),
            (34,),
            "UniqMatchId:u32 RoutineAddr:code Irp:ptr MajorFunction:u32 MinorFunction:u32 FileObject:ptr",
            padded=True,
        ),
        Shape((1,), (35,), "UniqMatchId:u32 Irp:ptr", padded=True),
        Shape(
            (2, 3),
            (34,),
            "MajorFunction:u32 MinorFunction:u32 RoutineAddr:code FileObject:ptr Irp:ptr UniqMatchId:u32",
            padded=True,
        ),
        Shape((2, 3), (35,), "Irp:ptr UniqMatchId:u32", padded=True),
        Shape((1, 2, 3), (37,), "Routine:code IrpPtr:ptr UniqMatchId:u32", padded=True),
        Shape((1, 2, 3), (52,), "RoutineAddr:code Irp:ptr UniqMatchId:u32", padded=True),
        Shape((1, 2, 3), (53,), "Irp:ptr UniqMatchId:u32", padded=True),
        Shape(
            (3,),
            (10, 11),
            f"{_IO} TransferSize:u32 Reserved:u32 ByteOffset:u64 FileObject:ptr Irp:ptr HighResResponseTime:u64"
            " IssuingThreadId:tid",
        ),
        Shape((3,), (12, 13, 15), "Irp:ptr IssuingThreadId:tid"),
        Shape((3,), (14,), f"{_IO} HighResResponseTime:u64 Irp:ptr IssuingThreadId:tid"),
    ),
)

_ONE: Final = "ProcessId:pid ParentId:pid SessionId:u32 ExitStatus:status"
_PROCESS: Final = KernelClass(
    "Process",
    "3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c",
    ((3, (1, 2, 3, 4, 11, 32, 33, 39)),),
    {**_LIFE, 11: "Terminate", 32: "PerfCtr", 33: "PerfCtrRundown", 39: "Defunct"},
    (
        Shape((0,), (1, 2), "ProcessId:ptr ParentId:ptr UserSID:user ImageFileName:str"),
        Shape((1,), (1, 2, 3, 4), f"PageDirectoryBase:ptr {_ONE} UserSID:user ImageFileName:str"),
        Shape((2,), (1, 2, 3, 4, 39), f"UniqueProcessKey:ptr {_ONE} UserSID:user ImageFileName:str CommandLine:wstr"),
        Shape(
            (3,),
            (1, 2, 3, 4, 39),
            f"UniqueProcessKey:ptr {_ONE} DirectoryTableBase:ptr UserSID:user ImageFileName:str CommandLine:wstr",
        ),
        Shape(
            (4,),
            (1, 2, 3, 4, 39),
            f"UniqueProcessKey:ptr {_ONE} DirectoryTableBase:ptr Flags:hex32 UserSID:user ImageFileName:str"
            " CommandLine:wstr PackageFullName:wstr ApplicationId:wstr",
        ),
        Shape(
            (5,),
            (39,),
            f"UniqueProcessKey:ptr {_ONE} DirectoryTableBase:ptr Flags:hex32 UserSID:user ImageFileName:str"
            " CommandLine:wstr PackageFullName:wstr ApplicationId:wstr ExitTime:time",
        ),
        Shape((2,), (11,), "ProcessId:pid"),
        Shape(
            (2,),
            (32, 33),
            "ProcessId:pid PageFaultCount:u32 HandleCount:u32 Reserved:u32 PeakVirtualSize:ptr PeakWorkingSetSize:ptr"
            " PeakPagefileUsage:ptr QuotaPeakPagedPoolUsage:ptr QuotaPeakNonPagedPoolUsage:ptr VirtualSize:ptr"
            " WorkingSetSize:ptr PagefileUsage:ptr QuotaPagedPoolUsage:ptr QuotaNonPagedPoolUsage:ptr"
            " PrivatePageCount:ptr",
        ),
    ),
)

_STACKS: Final = "StackBase:ptr StackLimit:ptr UserStackBase:ptr UserStackLimit:ptr"
_THREAD: Final = KernelClass(
    "Thread",
    "3d6fa8d1-fe05-11d0-9dda-00c04fd7ba7c",
    ((5, (1, 2, 3, 4)),),
    _LIFE,
    (
        Shape((0,), (1, 2), "TThreadId:tid ProcessId:pid"),
        Shape(
            (1,),
            (1, 2, 3, 4),
            f"ProcessId:pid TThreadId:tid {_STACKS} StartAddr:code Win32StartAddr:code WaitMode:i8",
        ),
        Shape(
            (2,),
            (1, 2, 3, 4),
            f"ProcessId:pid TThreadId:tid {_STACKS} StartAddr:code Win32StartAddr:code TebBase:ptr SubProcessTag:u32",
        ),
        Shape(
            (3, 4),
            (1, 2, 3, 4),
            f"ProcessId:pid TThreadId:tid {_STACKS} Affinity:ptr Win32StartAddr:code TebBase:ptr SubProcessTag:u32"
            " BasePriority:u8 PagePriority:u8 IoPriority:u8 ThreadFlags:u8 ThreadName:wstr?",
        ),
    ),
)

_WHICH: Final = "ImageBase:ptr ImageSize:ptr ProcessId:pid ImageCheckSum:hex32 TimeDateStamp:hex32"
_MORE: Final = "DefaultBase:ptr Reserved1:u32 Reserved2:u32 Reserved3:u32 Reserved4:u32 FileName:wstr"
_IMAGE: Final = KernelClass(
    "Image",
    "2cb15d1d-5fc1-11d2-abe1-00a0c911f518",
    ((20, None), (3, (10,))),
    {2: "Unload", 3: "DCStart", 4: "DCEnd", 10: "Load", 33: "KernelBase", 34: "HypercallPage"},
    (
        Shape((0,), (2, 3, 4, 10), "ImageBase:ptr ImageSize:u32 FileName:wstr"),
        Shape((1,), (2, 3, 4, 10), "ImageBase:ptr ImageSize:ptr ProcessId:pid FileName:wstr"),
        Shape((2,), (2, 3, 4, 10), f"{_WHICH} Reserved0:u32 {_MORE}"),
        Shape((3,), (2, 3, 4, 10), f"{_WHICH} SignatureLevel:u8 SignatureType:u8 Reserved0:u16 {_MORE}"),
        Shape((2,), (33,), "ImageBase:code"),
        Shape((2,), (34,), "HypercallPageVa:code"),
    ),
)

_STACK: Final = KernelClass(
    "StackWalk",
    "def2fe46-7bd6-4b80-bd94-f57fe20d0ce3",
    ((24, None),),
    {32: "Stack", 34: "KeyCreate", 35: "KeyDelete", 36: "KeyRundown", 37: "StackKeyKernel", 38: "StackKeyUser"},
    (
        Shape((2,), (32,), "EventTimeStamp:u64 StackProcess:pid StackThread:tid Stack:code[]"),
        Shape((2,), (34, 35, 36), "StackKey:ptr StackFrame:code[]"),
        Shape((2,), (37, 38), "EventTimeStamp:u64 StackProcess:pid StackThread:tid StackKey:ptr"),
    ),
)

_V4: Final = "PID:pid size:u32 daddr:ip4 saddr:ip4 dport:port sport:port"
_V6: Final = "PID:pid size:u32 daddr:ip6 saddr:ip6 dport:port sport:port"
_SENT: Final = "startime:u32 endtime:u32 seqnum:u32 connid:ptr"
_OPENED: Final = (
    "mss:u16 sackopt:u16 tsopt:u16 wsopt:u16 rcvwin:u32 rcvwinscale:u16 sndwinscale:u16 seqnum:u32 connid:ptr"
)
_TCP_NAMES: Final = ((10, "Send"), (11, "Recv"), (12, "Connect"), (13, "Disconnect"), (14, "Retransmit"))
_TCP_MORE: Final = ((15, "Accept"), (16, "Reconnect"), (18, "TCPCopy"))
_TCP: Final = KernelClass(
    "TcpIp",
    "9a280ac0-c8e0-11d1-84e2-00c04fb998a2",
    ((6, None),),
    {n + 16 * v6: f"{name}IPV{'46'[v6]}" for v6 in (0, 1) for n, name in (*_TCP_NAMES, *_TCP_MORE)},
    (
        Shape((2,), (10,), f"{_V4} {_SENT}"),
        Shape((2,), (12, 15), f"{_V4} {_OPENED}"),
        Shape((2,), (11, 13, 14, 16, 18), f"{_V4} seqnum:u32 connid:ptr"),
        Shape((2,), (26,), f"{_V6} {_SENT}"),
        Shape((2,), (28, 31), f"{_V6} {_OPENED}"),
        Shape((2,), (27, 29, 30, 32, 34), f"{_V6} seqnum:u32 connid:ptr"),
    ),
)
_UDP: Final = KernelClass(
    "UdpIp",
    "bf3a50c5-a9c9-4988-a005-2df0b7c80f80",
    ((8, None),),
    {10: "SendIPV4", 11: "RecvIPV4", 26: "SendIPV6", 27: "RecvIPV6"},
    (
        Shape((2,), (10, 11), f"{_V4} seqnum:u32 connid:ptr"),
        Shape((2,), (26, 27), f"{_V6} seqnum:u32 connid:ptr"),
    ),
)

_PERF: Final = KernelClass(
    "PerfInfo",
    "ce1dbfb4-137e-4da6-87b0-3f59aa102cbc",
    ((15, None),),
    {46: "SampleProf"},
    (Shape((2,), (46,), "InstructionPointer:code ThreadId:tid Count:u32"),),
)

#: written for sessions that are read as they run; the events have no members
_LOST: Final = KernelClass(
    "RT_LostEvent",
    "6a399ae0-4bc6-4de9-870b-3657f8947e7e",
    (),
    {32: "RTLostEvent", 33: "RTLostBuffer", 34: "RTLostFile"},
    (Shape(tuple(range(256)), (32, 33, 34), ""),),
)

_IMAGE_ID: Final = KernelClass(
    "ImageID",
    "b3e675d7-2554-4f18-830b-2762732560de",
    (),
    {0: "Info", 36: "DbgID_RSDS"},
    (
        Shape((2,), (0,), "ImageBase:ptr ImageSize:ptr ProcessId:pid TimeDateStamp:hex32 OriginalFileName:wstr"),
        Shape((2,), (36,), "ImageBase:ptr ProcessId:pid GuidSig:guid Age:u32 PdbFileName:str"),
    ),
)

_ALLOCATION: Final = "Type:hex32 Tag:hex32 NumberOfBytes:ptr Entry:ptr"
_POOL: Final = KernelClass(
    "PoolTrace",
    "0268a8b6-74fd-4302-9dd0-6e8f1795c0cf",
    ((14, (32, 33, 34, 35)),),
    {32: "AllocPool", 33: "AllocPoolSession", 34: "FreePool", 35: "FreePoolSession"},
    (Shape((2,), (32, 34), _ALLOCATION), Shape((2,), (33, 35), f"{_ALLOCATION} SessionId:u32")),
)

_HEADER: Final = KernelClass(
    "EventTrace",
    "68fdd900-4a3e-11d1-84f4-0000f80464e3",
    ((0, (64, 66)),),
    {64: "DbgIdRsds", 66: "BuildLab"},
    (Shape((2,), (64,), "GuidSig:guid Age:u32 PdbFileName:str"), Shape((2,), (66,), "BuildLab:str")),
)

CLASSES: Final = (_DISK_IO, _PROCESS, _THREAD, _IMAGE, _STACK, _TCP, _UDP, _PERF, _LOST, _IMAGE_ID, _POOL, _HEADER)
