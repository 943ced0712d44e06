import msgspec

from unlisted.campaigns.fingerprint import fingerprint
from unlisted.campaigns.index import CampaignIndex, IndexState

HOUR = 3600.0
LETTER = "we are glad to tell you that the winter market opens on the first friday of december"
OTHER = "your parcel could not be handed over because the street number was missing on the label"


def test_a_campaign_bears_the_name_of_its_first_member():
    index = CampaignIndex()
    assert index.assign("m1", fingerprint(LETTER), 0.0) == "m1"
    assert index.assign("m2", fingerprint(OTHER), 1.0) == "m2"
    assert index.assign("m3", fingerprint(LETTER), 2.0) == "m1"
    assert index.members("m1") == 2
    assert index.members("unknown") == 0


def test_messages_too_short_for_a_fingerprint_stay_alone():
    index = CampaignIndex()
    assert [index.assign(m, "", 0.0) for m in ("m1", "m2")] == ["m1", "m2"]
    assert not index.state.campaigns


def test_a_campaign_not_seen_for_the_window_is_forgotten_one_that_goes_on_is_not():
    index = CampaignIndex()
    index.assign("m1", fingerprint(LETTER), 0.0)
    index.assign("o1", fingerprint(OTHER), 0.0)
    assert index.assign("m2", fingerprint(LETTER), 71 * HOUR) == "m1"
    assert index.assign("o2", fingerprint(OTHER), 73 * HOUR) == "o2"
    assert index.assign("m3", fingerprint(LETTER), 142 * HOUR) == "m1"


def test_the_index_never_grows_past_its_limit():
    index = CampaignIndex(IndexState(limit=5))
    for i in range(40):
        words = " ".join(
            f"w{chr(97 + (i * 7 + j * (i + 3)) % 26)}{chr(97 + i % 26)}{j * 0}" for j in range(20)
        )
        index.assign(f"m{i}", fingerprint(words), float(i))
    assert len(index.state.campaigns) <= 6
    assert len(index._bands) <= 6 * 32


def test_an_index_restored_from_its_state_answers_as_the_first_did():
    index = CampaignIndex()
    index.assign("m1", fingerprint(LETTER), 0.0)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(index.state), type=IndexState)
    assert CampaignIndex(state).assign("m2", fingerprint(LETTER), 5.0) == "m1"
