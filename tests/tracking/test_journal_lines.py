"""Lines of a journal: what is read back of whole, cut and damaged ones, new and old."""

import json

from old_journals import START, old_lines

from layerline.tracking.journal_lines import (
    Contents,
    encode,
    read_events,
    read_journal,
    read_more,
    read_start,
)


def seqs(events):
    return [event["seq"] for event in events]


def test_each_line_is_json_and_proves_itself(new_journal):
    with new_journal() as journal:
        journal.tags({"ü": "…"})
    lines = journal.path.read_bytes().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["start", "start", "tags", "end"]
    assert all(len(json.loads(line)["crc32"]) == 8 for line in lines)
    for number in range(len(lines[2])):
        damaged = bytearray(lines[2])
        damaged[number] ^= 4
        journal.path.write_bytes(b"\n".join([*lines[:2], bytes(damaged), lines[3], b""]))
        found = read_journal(journal.path)
        assert (seqs(found.events), found.damaged) == ([0, 2], [bytes(damaged)])


def test_cut_and_damaged_lines_are_left_out_and_the_rest_is_read_later(new_journal):
    with new_journal() as journal:
        journal.metrics({"loss": 1.0})
        journal.metrics({"loss": 2.0})
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * 40 + b"\n"
    whole = b"".join(lines)
    journal.path.write_bytes(whole[:-5])
    found = read_more(journal.path, Contents())
    assert (seqs(found.events), found.damaged) == ([0, 0, 2], [b"\0" * 40])
    journal.path.write_bytes(whole)
    assert seqs(read_more(journal.path, found).events) == [3]


def test_a_last_line_that_only_lost_its_newline_is_whole(new_journal):
    with new_journal() as journal:
        pass
    journal.path.write_bytes(journal.path.read_bytes()[:-1])
    assert read_events(journal.path)[-1]["type"] == "end"


def test_lines_are_read_in_the_order_they_were_written_each_once(new_journal):
    with new_journal() as journal:
        for step in range(3):
            journal.metrics({"loss": 1.0}, step=step)
    lines = journal.path.read_bytes().splitlines(keepends=True)
    swapped = [lines[0], lines[5], lines[3], lines[3], lines[2], lines[4]]
    journal.path.write_bytes(b"".join(swapped))
    assert seqs(read_events(journal.path)) == [0, 1, 2, 3, 4]


def test_the_start_is_found_without_its_line(new_journal):
    with new_journal() as journal:
        journal.metrics({"loss": 1.0})
    lines = journal.path.read_bytes().splitlines(keepends=True)
    start = read_start(journal.path)
    assert start["key"] == "key-1"
    for kept in (lines[1:], lines[2:], [b"\0" * 4096 + b"\n", *lines[2:]]):
        journal.path.write_bytes(b"".join(kept))
        assert read_start(journal.path) == start
    journal.path.write_bytes(lines[2])
    assert read_start(journal.path) is None


def test_a_journal_of_an_earlier_release_is_read(tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_bytes(old_lines())
    assert seqs(read_events(path)) == [0, 1, 3, 9]
    assert read_start(path) == START


def test_an_old_line_of_another_shape_is_damage(tmp_path):
    path = tmp_path / "old.jsonl"
    wrong = [
        {"seq": 4, "time_ms": 1, "type": "metrics", "metrics": {"loss": "high"}, "step": 1},
        {"seq": 4, "time_ms": 1, "type": "metrics", "metrics": {"loss": 1}, "stap": 1},
        {"seq": 4, "time_ms": 1, "type": "end", "status": "DONE", "message": ""},
        {"seq": -4, "time_ms": 1, "type": "link", "tag": "t", "key": "k"},
        {"sea": 4, "time_ms": 1, "type": "tags", "tags": {}},
        [1, 2],
    ]
    lines = [json.dumps(event).encode() for event in wrong]
    path.write_bytes(old_lines() + b"\n".join([*lines, b""]))
    found = read_journal(path)
    assert (seqs(found.events), found.damaged) == ([0, 1, 3, 9], lines)


def test_a_line_without_checksum_among_lines_with_one_is_damage(tmp_path):
    path = tmp_path / "mixed.jsonl"
    forged = {"seq": 1, "time_ms": 1, "type": "tags", "tags": {"a": "b"}}
    path.write_bytes(encode(START) + encode(forged, with_checksum=False))
    found = read_journal(path)
    assert (seqs(found.events), len(found.damaged)) == ([0], 1)
