"""The page behind the link of a weekly test: one button by which its person says that it arrived.

Laws:
1. Opening the link changes nothing: mail programs and phones open links by themselves.
2. The link is the authority, and confirms that one test, nothing else: nobody needs to be signed in.
"""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tocsin.service import self_tests
from tocsin.store import account
from tocsin.store import self_tests as store
from tocsin.store.db import Tx
from tocsin.web.visit import Page, View, Visit


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    found = store.find(tx, visit.segment("id")) if len(visit.segment("id")) == self_tests.ID_LENGTH else None
    return {"test": found, "account": account.load(tx).name}


def act(visit: Visit) -> Response:
    with visit.front.db.write() as tx:
        self_tests.confirm(tx, visit.segment("id"), visit.now)
    with visit.front.db.read() as tx:
        return visit.page("tested.html", facts(visit, tx))


PAGES = (Page("/tested/{id}", View("tested.html", facts), act, is_public=True, is_bare=True, needs_token=False),)
