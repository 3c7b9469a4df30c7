"""One running server for all clients and senders: each test makes its own people and services in it."""

from collections.abc import Iterator

import pytest

from tests.compat.company import Office, open_office
from tocsin.app.sinks import Sinks


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with Sinks() as sinks, open_office(tmp_path_factory.mktemp("compat") / "house", sinks) as house:
        house.start()
        sinks.callback_url = house.url
        yield Office(house, sinks)
