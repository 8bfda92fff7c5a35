from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import wsktrace
from wsktrace.errors import FormatError, UsageError
from wsktrace.schema import TABLES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(faked: Any, tmp_path: Path) -> Path:
    faked().to_parquet(tmp_path / "net")
    return tmp_path / "net"


def test_written_and_loaded_gives_equal_tables(faked: Any, folder: Path) -> None:
    trace, loaded = faked(), wsktrace.load(folder)
    for name in TABLES:
        assert loaded.arrow(name).equals(trace.arrow(name)), name
        assert loaded.arrow(name).schema.equals(trace.arrow(name).schema, check_metadata=True), name
        assert loaded.frame(name).equals(trace.frame(name)), name
    assert loaded.summary == trace.summary


def test_one_file_a_table_compressed_with_zstd(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {f"{name}.parquet" for name in TABLES}
    for name in TABLES:
        held = pq.ParquetFile(folder / f"{name}.parquet").metadata
        if held.num_row_groups:
            assert held.row_group(0).column(0).compression == "ZSTD"


def test_metadata_documents_the_table(folder: Path) -> None:
    held = json.loads(pq.read_metadata(folder / "irps.parquet").metadata[b"wsktrace"])
    assert held["schema_version"] == 1
    assert held["row"] == TABLES["irps"].row
    assert list(held["columns"]) == [c.name for c in TABLES["irps"].columns]
    assert held["columns"]["pending_ns"]["unit"] == "ns"
    assert held["trace"]["sha256"] == "ab" * 32
    field = pq.read_schema(folder / "irps.parquet").field("pending_ns")
    assert field.metadata[b"meaning"].decode() == TABLES["irps"].column("pending_ns").meaning


def test_pyarrow_pandas_and_duckdb_read_it(folder: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    import pandas as pd

    path = folder / "irps.parquet"
    assert pq.read_table(path).column("op").to_pylist()[0] == "WskReceive"
    frame = pd.read_parquet(path)
    assert frame["total_ns"].dropna().tolist() == [41_000, 1_930_000]
    assert str(frame["issue_time"].dtype) == "datetime64[ns, UTC]"
    with duckdb.connect() as connection:
        query = f"SELECT op, count(*), max(total_ns), max(irp) FROM '{path.as_posix()}' GROUP BY op ORDER BY op"
        rows = connection.execute(query).fetchall()
    assert rows[-1][:3] == ("WskReceive", 2, 1_930_000)
    assert rows[-1][3] == 0xFFFFB10A2C41E7A0


def test_frames_are_backed_by_arrow_and_never_of_objects(folder: Path) -> None:
    import pandas as pd

    loaded = wsktrace.load(folder)
    for name in TABLES:
        frame = loaded.frame(name)
        assert all(isinstance(dtype, pd.ArrowDtype) for dtype in frame.dtypes), name
    irps = loaded.irps
    assert irps[irps.op == "WskReceive"].shape[0] == 2
    assert irps.sort_values("op").op.tolist()[0] == "WskCloseSocket"
    assert irps.op.str.startswith("Wsk").all()
    assert loaded.operations.shape[0] == 3
    assert [len(getattr(loaded, name)) for name in TABLES] == [loaded.arrow(name).num_rows for name in TABLES]


def test_it_may_be_written_again_but_not_over_other_files(faked: Any, folder: Path, tmp_path: Path) -> None:
    faked().to_parquet(folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="did not write"):
        faked().to_parquet(other)
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]
    faked().to_parquet(other, force=True)
    assert (other / "thesis.txt").read_text() == "years of work"
    assert wsktrace.load(other).summary.judged == 40


def test_a_table_of_somebody_else_is_not_ours(faked: Any, folder: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), folder / "irps.parquet")
    with pytest.raises(UsageError, match="did not write"):
        faked().to_parquet(folder)


def test_a_file_is_no_folder(faked: Any, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        faked().to_parquet(tmp_path / "x", force=True)


def test_folders_that_are_none_are_told_apart(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "net.etl").write_bytes(b"")
    for path, words in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "net.etl", "wsktrace.open"),
        (tmp_path / "empty", "holds no tables"),
    ):
        with pytest.raises(FormatError, match=words):
            wsktrace.load(path)
    (folder / "rules.parquet").unlink()
    with pytest.raises(FormatError, match=r"lacks rules\.parquet"):
        wsktrace.load(folder)


def test_foreign_and_renamed_and_mixed_files(faked: Any, folder: Path, tmp_path: Path) -> None:
    faked(file="other.etl").to_parquet(tmp_path / "two")
    (folder / "rules.parquet").write_bytes((tmp_path / "two" / "rules.parquet").read_bytes())
    with pytest.raises(FormatError, match="different traces"):
        wsktrace.load(folder)
    (folder / "rules.parquet").write_bytes((folder / "irps.parquet").read_bytes())
    with pytest.raises(FormatError, match="renamed"):
        wsktrace.load(folder)
    pq.write_table(pa.table({"a": [1]}), folder / "rules.parquet")
    with pytest.raises(FormatError, match="not written by wsktrace"):
        wsktrace.load(folder)


@pytest.mark.parametrize(
    ("version", "words"), [(2, "a newer wsktrace"), (0, "export the trace again"), ("x", "export")]
)
def test_other_versions(folder: Path, version: Any, words: str) -> None:
    path = folder / "operations.parquet"
    table = pq.read_table(path)
    held = json.loads(table.schema.metadata[b"wsktrace"]) | {"schema_version": version}
    pq.write_table(table.replace_schema_metadata({b"wsktrace": json.dumps(held)}), path)
    with pytest.raises(FormatError, match=words):
        wsktrace.load(folder)


def test_other_columns_and_facts(folder: Path) -> None:
    path = folder / "rules.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["pass"]), path)
    with pytest.raises(FormatError, match="pass"):
        wsktrace.load(folder).arrow("rules")
    for name in TABLES:
        table = pq.read_table(folder / f"{name}.parquet")
        held = json.loads(pq.read_metadata(folder / f"{name}.parquet").metadata[b"wsktrace"]) | {"trace": {"file": 1}}
        pq.write_table(table.replace_schema_metadata({b"wsktrace": json.dumps(held)}), folder / f"{name}.parquet")
    with pytest.raises(FormatError, match="facts"):
        _ = wsktrace.load(folder).summary


@pytest.mark.parametrize("seed", range(10))
def test_damaged_files_are_format_errors(folder: Path, seed: int) -> None:
    import random

    chance = random.Random(seed)
    path = folder / "irps.parquet"
    data = bytearray(path.read_bytes())
    if seed % 2:
        del data[chance.randrange(len(data)) :]
    else:
        for _ in range(20):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    try:
        table = wsktrace.load(folder).arrow("irps")
    except FormatError:
        return
    assert table.column_names == [c.name for c in TABLES["irps"].columns]


def test_columns_become_arrow_by_the_schema() -> None:
    import numpy as np

    from wsktrace.arrow import to_arrow

    names = ("fail", "pass", "unknown", "suspect", "not_applicable", "checked", "note")
    names += ("u_cap", "u_start", "u_lost", "u_order", "u_alias", "u_end")
    rest = {name: np.zeros(2, np.int64) for name in names}
    base = {"rule": ["a", "b"], "severity": ["error", "info"], "party": ["client", "client"], **rest}
    table = to_arrow("rules", base)
    assert table.schema.field("severity").type == pa.dictionary(pa.int32(), pa.string())
    with pytest.raises(KeyError, match="needs the column party"):
        to_arrow("rules", {k: v for k, v in base.items() if k != "party"})
    with pytest.raises(KeyError, match="no column extra"):
        to_arrow("rules", base | {"extra": [1, 2]})
    quality = to_arrow(
        "quality", {"item": ["x", "y"], "name": ["", ""], "value": [1, 2], "cpu": (np.array([7, 0]), [True, False])}
    )
    assert quality.column("cpu").to_pylist() == [7, None]
    assert quality.column("detail").to_pylist() == [None, None]


def test_equal_words_are_one_word() -> None:
    """pandas refuses a dictionary with a word twice; several codes may mean the same, such as reasons of doubt."""
    from wsktrace.arrow import words

    held = words(np.array([0, 1, 2, 1], np.int64), ["U-CAP", "U-LOST", "U-CAP"], np.array([True, True, True, False]))
    assert held.to_pylist() == ["U-CAP", "U-LOST", "U-CAP", None]
    assert held.dictionary.to_pylist() == ["U-CAP", "U-LOST"]
    assert list(pa.table({"doubt": held}).to_pandas()["doubt"][:2]) == ["U-CAP", "U-LOST"]
