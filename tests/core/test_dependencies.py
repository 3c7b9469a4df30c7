"""Dependencies as rules: trouble travels up, circles and too long chains are refused (BEHAVIOUR 10)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.dependencies import (
    BUSINESS,
    DEPTH_MOST,
    EACH_MOST,
    TECHNICAL,
    Edge,
    Node,
    Trouble,
    felt,
    reached,
    why_not,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DISK, SHOP, SALES, COMPANY = (TECHNICAL, "disk"), (TECHNICAL, "shop"), (BUSINESS, "sales"), (BUSINESS, "company")
HOUSE = [Edge(DISK, SHOP), Edge(SHOP, SALES), Edge(SALES, COMPANY), Edge(DISK, COMPANY)]


def test_trouble_reaches_everything_above_and_nothing_below() -> None:
    assert reached([DISK], HOUSE) == {SHOP, SALES, COMPANY}
    assert reached([SALES], HOUSE) == {COMPANY}
    assert reached([COMPANY], HOUSE, downward=True) == {DISK, SHOP, SALES}


def test_what_depends_on_several_feels_the_worst_and_the_newest() -> None:
    old, new = Trouble(1, NOW, "P1"), Trouble(3, NOW + timedelta(hours=1), "P3")
    stands = felt({DISK: new, SHOP: old}, HOUSE)
    assert stands[SALES] == stands[COMPANY] == Trouble(1, NOW + timedelta(hours=1), "P1")
    assert stands[SHOP] == new  # its own trouble is not what it feels from below
    assert DISK not in stands


def test_a_circle_is_refused_however_long() -> None:
    assert why_not(Edge(SHOP, SHOP), [], {}) == "A service cannot depend on itself"
    assert "circle" in str(why_not(Edge(COMPANY, DISK), HOUSE, {}))
    assert why_not(Edge(SHOP, COMPANY), HOUSE, {}) is None


def test_a_chain_has_an_end_and_a_service_has_room_for_so_many() -> None:
    def link(at: int) -> Node:
        return (TECHNICAL, str(at))

    chain = [Edge(link(at), link(at + 1)) for at in range(DEPTH_MOST - 1)]
    assert why_not(Edge(link(DEPTH_MOST - 1), SALES), chain, {}) is None
    longer = [*chain, Edge(link(DEPTH_MOST - 1), SALES)]
    assert f"would make one of {DEPTH_MOST + 1}" in str(why_not(Edge(SALES, COMPANY), longer, {}))
    assert f"would make one of {DEPTH_MOST + 1}" in str(why_not(Edge(DISK, link(0)), longer, {}))
    assert why_not(Edge(DISK, SALES), longer, {}) is None
    assert why_not(Edge(DISK, SALES), [], {SALES: EACH_MOST - 1}) is None
    assert "at most 2000" in str(why_not(Edge(DISK, SALES), [], {SALES: EACH_MOST}))


@pytest.mark.parametrize("width", [60])
def test_many_ways_to_the_same_place_are_walked_once(width: int) -> None:
    """Without that, a ladder of 60 steps would have 2 to the power of 60 ways."""
    steps = [[(TECHNICAL, f"{side}{at}") for side in "ab"] for at in range(width)]
    ladder = [Edge(below, above) for at in range(width - 1) for below in steps[at] for above in steps[at + 1]]
    assert len(reached([steps[0][0]], ladder)) == 2 * (width - 1)
    assert why_not(Edge(steps[-1][0], SALES), ladder, {}) is None


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30))
def test_what_is_let_in_one_by_one_never_closes_a_circle(pairs: list[tuple[int, int]]) -> None:
    edges: list[Edge] = []
    for below, above in pairs:
        edge = Edge((TECHNICAL, str(below)), (TECHNICAL, str(above)))
        if why_not(edge, edges, {}) is None:
            edges.append(edge)
    assert all(node not in reached([node], edges) for edge in edges for node in (edge.supporting, edge.dependent))
