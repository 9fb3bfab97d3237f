"""The name of a cloned voice."""

from orchestrator.voices.references import fingerprint


def test_ids_name_all_that_a_voice_is_made_of() -> None:
    """Other bytes, another order, another cut between the files: another voice."""
    ids = {fingerprint(files) for files in ([b"ab", b"c"], [b"c", b"ab"], [b"a", b"bc"], [b"abc"], [b"ab"])}
    assert len(ids) == 5
    assert fingerprint([b"ab", b"c"]) in ids
