"""Cards for notebooks: of a trace, its findings, one finding, one IRP, one socket."""
