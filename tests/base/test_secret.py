"""A copy of the database gives no secret away, and what was signed cannot be changed, borrowed or kept for ever."""

from datetime import timedelta

import pytest

from tocsin.base.secret import Seals, check_password, hash_password, new_master_key, same, webhook_signature

OLD, NEW = new_master_key(), new_master_key()


def test_a_seal_hides_its_secret_and_gives_it_back(seals):
    sealed = seals.seal("the moon is made of iron")
    assert "iron" not in sealed
    assert seals.open(sealed) == "the moon is made of iron"


def test_the_same_secret_is_never_sealed_twice_alike(seals):
    assert seals.seal("x") != seals.seal("x")


def test_another_master_key_opens_nothing_and_says_why():
    with pytest.raises(ValueError, match="master key that is not configured"):
        Seals([NEW]).open(Seals([OLD]).seal("x"))


def test_a_new_key_before_the_old_one_opens_both_and_seals_by_the_new_one():
    both = Seals([NEW, OLD])
    assert both.open(Seals([OLD]).seal("x")) == "x"
    assert Seals([NEW]).open(both.seal("x")) == "x"
    assert Seals([NEW]).open(both.reseal(Seals([OLD]).seal("x"))) == "x"


def test_tokens_are_found_by_the_digest_of_any_key_that_still_stands():
    both = Seals([NEW, OLD])
    assert Seals([OLD]).digest("token") in both.digests("token")
    assert both.digest("token") == Seals([NEW]).digest("token") != Seals([OLD]).digest("token")


def test_without_a_key_nothing_is_sealed():
    with pytest.raises(ValueError, match="at least one"):
        Seals([])


def test_what_was_signed_comes_back(seals, now):
    signed = seals.sign({"incident": "Q1", "do": "resolve"}, purpose="mail-action", expires_at=now + timedelta(hours=1))
    assert seals.verify(signed, purpose="mail-action", now=now) == {"incident": "Q1", "do": "resolve"}


@pytest.mark.parametrize("hours", [1, 1000])
def test_a_signature_ends(seals, now, hours):
    signed = seals.sign({}, purpose="p", expires_at=now)
    with pytest.raises(ValueError, match="expired"):
        seals.verify(signed, purpose="p", now=now + timedelta(hours=hours))


def test_a_signature_is_good_for_its_purpose_only(seals, now):
    signed = seals.sign({}, purpose="mail-action", expires_at=now + timedelta(hours=1))
    with pytest.raises(ValueError, match="not made here"):
        seals.verify(signed, purpose="welcome", now=now)


def test_a_changed_or_damaged_text_is_refused(seals, now):
    signed = seals.sign({"do": "acknowledge"}, purpose="p", expires_at=now + timedelta(hours=1))
    body, mac = signed.split(".")
    other = seals.sign({"do": "resolve"}, purpose="p", expires_at=now + timedelta(hours=1)).split(".")[0]
    for forged in (f"{other}.{mac}", f"{body}.{mac[::-1]}", f"{body}.", body, "", "a.b.c", "é.é", "!.!"):
        with pytest.raises(ValueError, match=r"damaged|not made here"):
            seals.verify(forged, purpose="p", now=now)


def test_passwords_are_kept_so_that_they_cannot_be_read():
    hashed = hash_password("correct horse")
    assert "horse" not in hashed
    assert hashed.startswith("$argon2id$")
    assert check_password(hashed, "correct horse")
    assert not check_password(hashed, "correct house")
    assert not check_password("damaged", "correct horse")


def test_a_webhook_is_signed_as_its_receivers_check_it():
    """The vector is hmac.new(b"secret", b"body", sha256)."""
    assert webhook_signature("secret", b"body") == "v1=dc46983557fea127b43af721467eb9b3fde2338fe3e14f51952aa8478c13d355"


def test_secrets_are_compared_whole():
    assert same("abc", "abc")
    assert not same("abc", "abx")
    assert not same("abc", "é")
