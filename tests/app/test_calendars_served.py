"""A calendar is served to a calendar program that knows nothing but its address, on a running Tocsin."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.installation import Installation


def test_a_calendar_program_reads_a_calendar_by_its_address_alone(tmp_path: Path) -> None:
    with Installation(tmp_path) as ours:
        ours.start()
        base = f"http://127.0.0.1:{ours.http_port}"
        me = httpx.get(f"{base}/users/me", headers={"authorization": f"Token token={ours.owner['API key']}"}).json()["user"]
        path = urlsplit(me["http_cal_url"]).path
        found = httpx.get(base + path, headers={"accept": "text/calendar, text/html"})
        assert (found.status_code, found.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
        assert found.text.startswith("BEGIN:VCALENDAR\r\n")
        assert "X-WR-CALNAME:On call: Olga" in found.text
        assert httpx.get(base + path.replace(".ics", "A.ics")).status_code == 404
        assert httpx.post(base + path).status_code == 405
