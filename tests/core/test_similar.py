"""How alike texts are, and what they are without numbers and names."""

from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.similar import likeness, rarity, template

TITLES = st.text(st.characters(codec="utf-8"), max_size=400)


def test_the_same_words_are_wholly_alike_and_other_words_not_at_all() -> None:
    same, near, far = likeness("Disk full on db1", ["disk FULL on db1", "Disk full on db2", "Quux"])
    assert same > 0.999
    assert 0.5 < near < same
    assert far == 0


def test_what_is_rare_weighs_more_than_what_all_say() -> None:
    others = [f"Alert: latency of service {name} is high" for name in ("alpha", "beta", "gamma", "payments")]
    scores = dict(zip(others, likeness("Alert: latency of service payments is low", others), strict=True))
    assert max(scores, key=lambda one: scores[one]) == others[-1]


def test_misspelt_words_are_still_alike() -> None:
    (score,) = likeness("Database conection refused", ["Database connection refused"])
    assert score > 0.6


@given(TITLES, TITLES)
def test_likeness_is_symmetric_and_between_nothing_and_all(one: str, other: str) -> None:
    (there,), (back,) = likeness(one, [other]), likeness(other, [one])
    assert 0 <= there <= 1
    assert abs(there - back) < 1e-9


def test_a_template_is_the_same_for_what_differs_in_numbers_and_names_only() -> None:
    mined = "Used space over <MEASUREMENT> on <*>: see <URL>"
    assert template("Used space over 5 GB on ce51323: see https://a.example/1") == mined
    assert template("Used space over 97% on 10.0.0.7:80: see http://b.example/2") == mined
    assert template("Order 6d0f3a0e-1111-4222-8333-444455556666 failed 3 times") == "Order <*> failed <*> times"


@given(TITLES)
def test_a_template_is_its_own_template_and_never_long(text: str) -> None:
    assert len(template("9" * 400)) <= 300
    assert template(template(text)) == template(template(template(text)))


def test_how_rare_something_is_has_a_word() -> None:
    assert [rarity(0, 0), rarity(0, 10), rarity(1, 20), rarity(1, 10), rarity(2, 10)] == [
        "anomaly", "anomaly", "rare", None, "frequent",
    ]  # fmt: skip
