"""The page of applications and directories: made, shown once, and shut out; and what a form that cannot be used says."""

import random
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.people import CY
from tests.web.stage import Stage, settle
from tests.web.test_strangers import signed_in, token
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.service import applications, directory
from tocsin.store.db import Database

HERE = "/app/applications"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, empty_sqlite: Path, seals: Seals) -> Iterator[Stage]:
    path = tmp_path_factory.mktemp("applications") / "stage.db"
    path.write_bytes(empty_sqlite.read_bytes())
    db = Database(f"sqlite:///{path}", pool_size=4)
    settle(db, system_clock())
    yield Stage(db, seals, "", Random(7))
    db.close()


def secret_of(html: str) -> str:
    """The secret a page shows this once."""
    return html.partition('id="the-secret">')[2].partition("<")[0]


def test_an_admin_makes_applications_and_directory_tokens_there_and_shuts_them_out(stage: Stage) -> None:
    admin = signed_in(stage, CY.email)
    csrf = token(admin.get(HERE).text)
    made = admin.post(HERE, data={"csrf": csrf, "do": "add-client", "name": "Reports <b>", "scopes": ["incidents.read", "users.read"]})
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    page = admin.get(HERE).text
    client_id = page.split('name="id" value="')[1].split('"')[0]
    assert client_id in made.text
    assert "Reports &lt;b&gt;" in page
    assert "incidents.read, users.read" in page
    chance, now = random.SystemRandom(), system_clock()
    issued = applications.issue(stage.db, stage.seals, client_id, secret_of(made.text), "users.read", "192.0.2.1", now=now, chance=chance)
    assert issued.scope == "users.read"
    assert admin.post(HERE, data={"csrf": csrf, "do": "revoke-client", "id": client_id}).status_code == 303
    assert "Revoked" in admin.get(HERE).text
    kept = admin.post(HERE, data={"csrf": csrf, "do": "add-directory", "label": "Company", "days": "30"})
    text = secret_of(kept.text)
    with stage.db.read() as tx:
        assert directory.directory_of(tx, stage.seals, text, system_clock()) is not None
    page = admin.get(HERE).text
    assert text not in page
    id_ = page.rsplit('name="id" value="', 1)[1].split('"')[0]
    assert admin.post(HERE, data={"csrf": csrf, "do": "revoke-directory", "id": id_}).status_code == 303
    with stage.db.read() as tx:
        assert directory.directory_of(tx, stage.seals, text, system_clock()) is None


def test_a_form_that_cannot_be_used_comes_back_with_what_is_wrong(stage: Stage) -> None:
    admin = signed_in(stage, CY.email)
    csrf = token(admin.get(HERE).text)
    for form, words in (
        ({"do": "add-client", "name": "", "scopes": ["users.read"]}, "Name must have"),
        ({"do": "add-client", "name": "x"}, "at least one scope"),
        ({"do": "add-client", "name": "x", "scopes": ["api_keys.write"]}, "stronger key"),
        ({"do": "add-directory", "label": "", "days": ""}, "Label must have"),
    ):
        answer = admin.post(HERE, data={"csrf": csrf, **form})
        assert answer.status_code == 422
        assert words in answer.text
    assert admin.post(HERE, data={"csrf": csrf, "do": "revoke-client", "id": "nobody"}).status_code == 404
