"""Where the work is shared, one node takes events and shows pages, and another decides and delivers."""

import time
import urllib.error
from dataclasses import replace

import pytest

from tests.installation import Installation
from tests.ports import free_port


@pytest.mark.slow
def test_a_web_node_and_an_engine_node_share_one_database(tmp_path, blank_postgres_url):
    with Installation(tmp_path / "kept", database=blank_postgres_url, settings={"TOCSIN_ROLE": "web"}) as web:
        engine = replace(
            web, http_port=free_port(), https_port=free_port(), settings={"TOCSIN_ROLE": "engine"}, process=None
        )  # fmt: skip
        web.start()
        levels = [{"escalation_delay_in_minutes": 5, "targets": [{"id": web.get("/users")["users"][0]["id"], "type": "user_reference"}]}]
        policy = web.ask("POST", "/escalation_policies", {"escalation_policy": {"name": "Night", "escalation_rules": levels}})
        reference = {"id": policy["escalation_policy"]["id"], "type": "escalation_policy_reference"}
        service = web.ask("POST", "/services", {"service": {"name": "Web", "escalation_policy": reference}})["service"]
        made = web.ask(
            "POST", f"/services/{service['id']}/integrations", {"integration": {"type": "events_api_v2_inbound_integration"}}
        )  # fmt: skip
        web.run("send", "boom", "--key", made["integration"]["integration_key"])
        assert web.get("/incidents")["incidents"] == []
        engine.start()
        try:
            until = time.monotonic() + 20
            while not web.get("/incidents")["incidents"] and time.monotonic() < until:
                time.sleep(0.05)
            assert [one["title"] for one in web.get("/incidents")["incidents"]] == ["boom"]
            with pytest.raises(urllib.error.HTTPError, match="404"):
                engine.get("/incidents")
            assert "tocsin_events" in engine.get("/metrics")
        finally:
            assert engine.stop() == 0
        assert web.stop() == 0
