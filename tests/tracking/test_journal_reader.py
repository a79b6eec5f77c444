"""Which events may be sent while a journal grows."""

from old_journals import old_lines

from layerline.tracking.journal_reader import JournalReader


def lines_of(path):
    return path.read_bytes().splitlines(keepends=True)


def test_events_are_given_once_as_the_file_grows(new_journal):
    journal = new_journal()
    reader = JournalReader(journal.path)
    given = []
    for step in range(3):
        journal.metrics({"loss": 1.0}, step=step)
        reader.read()
        given.append([event["seq"] for event in reader.take()])
    journal.end("FINISHED")
    reader.read()
    given.append([event["seq"] for event in reader.take()])
    reader.read()
    assert reader.take() == []
    assert given == [[0, 1], [2], [3], [4]]
    assert (reader.damaged, reader.missing) == ([], [])


def test_nothing_behind_a_gap_is_given_before_the_end(new_journal):
    with new_journal() as journal:
        for step in range(4):
            journal.metrics({"loss": 1.0}, step=step)
    start, copy, *metrics, end = lines_of(journal.path)
    path = journal.path.with_name("torn.jsonl")
    path.write_bytes(
        b"".join([start, copy, metrics[0], b"\0" * 50 + b"\n", metrics[2], metrics[3]])
    )
    reader = JournalReader(path)
    reader.read()
    assert [event["seq"] for event in reader.take()] == [0, 1]
    with path.open("ab") as file:
        file.write(end)
    reader.read()
    assert [event["seq"] for event in reader.take()] == [3, 4, 5]
    assert (reader.damaged, reader.missing) == ([b"\0" * 50], [2])


def test_a_journal_without_checksums_may_have_gaps(tmp_path):
    path = tmp_path / "old.jsonl"
    path.write_bytes(old_lines()[:-5])
    reader = JournalReader(path)
    reader.read()
    assert [event["seq"] for event in reader.take()] == [0, 1, 3]
    assert reader.missing == []
