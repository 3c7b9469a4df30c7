"""What a contact method keeps beside its address: checked, and secrets only sealed."""

from typing import Any

import pytest

from tocsin.base.secret import Seals, new_master_key
from tocsin.channels import keeping
from tocsin.channels.roll import BY_KIND

WEBHOOK = BY_KIND["webhook"]


def test_a_secret_is_kept_sealed_and_opens_again(seals: Seals) -> None:
    kept = keeping.kept(WEBHOOK, {"secret": "open sesame", "bundle_seconds": 5}, {}, seals)
    assert "open sesame" not in str(kept)
    assert kept["bundle_seconds"] == 5
    assert keeping.is_kept_rightly(WEBHOOK, kept)
    assert keeping.opened(kept, seals) == {"secret": "open sesame", "bundle_seconds": 5}


def test_what_is_not_given_stays_and_what_is_emptied_goes(seals: Seals) -> None:
    before = keeping.kept(WEBHOOK, {"secret": "open sesame"}, {}, seals)
    assert keeping.kept(WEBHOOK, {"bundle_seconds": 1}, before, seals) == {**before, "bundle_seconds": 1}
    assert keeping.kept(WEBHOOK, {"secret": ""}, before, seals) == {}


def test_a_secret_of_another_master_key_says_so(seals: Seals) -> None:
    kept = keeping.kept(WEBHOOK, {"secret": "open sesame"}, {}, Seals([new_master_key()]))
    with pytest.raises(ValueError, match="master key"):
        keeping.opened(kept, seals)


def test_a_secret_that_was_kept_as_text_is_sealed_at_the_next_change(seals: Seals) -> None:
    kept = keeping.kept(WEBHOOK, {"bundle_seconds": 1}, {"secret": "open sesame"}, seals)
    assert keeping.is_kept_rightly(WEBHOOK, kept)
    assert keeping.opened(kept, seals)["secret"] == "open sesame"


def test_a_secret_as_text_is_not_kept_rightly() -> None:
    assert not keeping.is_kept_rightly(WEBHOOK, {"secret": "open sesame"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"bundle_seconds": "soon"}, {"bundle_seconds": True}, {"bundle_seconds": -1}, {"bundle_seconds": 1e400},
        {"bundle_seconds": 10**400}, {"bundle_seconds": 3601}, {"secret": {"sealed": "mine"}}, {"secret": ["x"]},
        {"secret": "x" * 501}, {"secret": "two\nlines"},
    ],
)  # fmt: skip
def test_fields_that_cannot_be_used_are_refused_by_name(wrong: dict[str, Any]) -> None:
    (words,) = keeping.errors(WEBHOOK, wrong)
    assert words.startswith(("Gather pages for", "Secret"))
