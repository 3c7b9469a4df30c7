"""What a real installation writes into its log in a day's work holds no secret, no key and nobody's address."""

import time
import urllib.error
from contextlib import suppress

import pytest

from tests.installation import Installation


@pytest.mark.slow
def test_the_log_of_a_days_work_holds_no_secret(tmp_path):
    settings = {"TOCSIN_LOG_LEVEL": "debug"}
    with Installation(tmp_path / "kept", settings=settings) as running:
        running.start()
        owner = running.get("/users/me")["user"]["id"]
        hook = {"type": "webhook_contact_method", "address": "http://127.0.0.1:9/open-sesame-path", "fields": {"secret": "open-sesame-secret"}}
        method = running.ask("POST", f"/users/{owner}/contact_methods", {"contact_method": hook})["contact_method"]
        running.ask("POST", f"/users/{owner}/contact_methods/{method['id']}/test")
        levels = [{"escalation_delay_in_minutes": 5, "targets": [{"id": owner, "type": "user_reference"}]}]
        policy = running.ask("POST", "/escalation_policies", {"escalation_policy": {"name": "Night", "escalation_rules": levels}})
        reference = {"id": policy["escalation_policy"]["id"], "type": "escalation_policy_reference"}
        service = running.ask("POST", "/services", {"service": {"name": "Web", "escalation_policy": reference}})["service"]
        way = {"integration": {"type": "events_api_v2_inbound_integration"}}
        key = running.ask("POST", f"/services/{service['id']}/integrations", way)["integration"]["integration_key"]
        running.run("send", "boom", "--key", key)
        for path in (f"/integration/{key}/generic", "/act/open-sesame-link.open-sesame-link", "/app/welcome/open-sesame-link", "/v2/enqueue"):
            with suppress(urllib.error.HTTPError):
                running.ask("POST", path, {"routing_key": key, "event_action": 7})
        with suppress(urllib.error.HTTPError):
            running.ask("GET", "/users", headers={"Authorization": "Token token=open-sesame-token"})
        until = time.monotonic() + 15
        while "did not get through" not in running.log.read_text() and time.monotonic() < until:
            time.sleep(0.1)
        assert running.stop() == 0
        log = running.log.read_text()
        assert "did not get through" in log, "something was logged at all"
        secrets = [key, running.owner["API key"], "open-sesame", "olga@example.org", "Token token"]
        master = (running.folder / "master.key").read_text().strip() if (running.folder / "master.key").exists() else "?"
        assert [secret for secret in [*secrets, master] if secret in log] == []
