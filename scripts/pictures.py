"""Takes the pictures of docs/pictures: starts a demo of its own, lets it settle, and looks at its pages with the system's Chromium."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
CHROMIUM: Final = "/usr/bin/chromium"
READY_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 20.0
"""So that the trickle has brought something besides."""
DESK: Final[ViewportSize] = {"width": 1120, "height": 720}
PHONE: Final[ViewportSize] = {"width": 390, "height": 760}
PROBLEM: Final = "Nobody can pay: card terminals time out"


def free_port() -> int:
    """A port nobody uses at the moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def read_until_ready(process: subprocess.Popen[str]) -> dict[str, str]:
    """What the demo says of itself: address, e-mail, password, routing key, and where pages arrive."""
    said = ""
    until = time.monotonic() + READY_SECONDS
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line or time.monotonic() > until:
            break
    found = re.search(
        r"pages and API\s+(?P<address>\S+)\s+sign in\s+(?P<email>\S+)\s+password: (?P<password>\S+)\s+pages arrive at\s+(?P<sinks>\S+)"
        r'.*"routing_key": "(?P<key>\w+)"',
        said,
        re.DOTALL,
    )
    if found is None:
        sys.exit(f"pictures: the demo did not say where it is:\n{said}")
    return found.groupdict()


def break_something(demo: dict[str, str], environment: dict[str, str]) -> None:
    """Send the event of the pictures, as a visitor would."""
    words = [str(ROOT / ".venv/bin/tocsin"), "send", PROBLEM, "--key", demo["key"], "--source", "till-gateway-2", "--to", demo["address"]]
    more = ["--detail", "region=eu-west", "--detail", "failed=38 %"]
    subprocess.run([*words, *more], check=True, env=environment, stdout=subprocess.DEVNULL)


def signed_in(browser: Browser, demo: dict[str, str], size: ViewportSize, theme: str) -> Page:
    """A window of somebody who is signed in."""
    context = browser.new_context(viewport=size, color_scheme="dark" if theme == "dark" else "light", base_url=demo["address"])
    page = context.new_page()
    page.goto("/app/sign-in")
    page.fill("input[name=email]", demo["email"])
    page.fill("input[name=password]", demo["password"])
    page.click("main button")
    page.wait_for_url(re.compile("/app/incidents"))
    return page


def take(page: Page, folder: Path, name: str) -> None:
    """Keep what is seen now."""
    page.wait_for_timeout(600)
    page.screenshot(path=folder / f"{name}.png", animations="disabled")
    print(f"  {name}.png {(folder / f'{name}.png').stat().st_size // 1024} KB")


def look(browser: Browser, demo: dict[str, str], folder: Path) -> None:
    """All the pictures."""
    desk = signed_in(browser, demo, DESK, "light")
    desk.goto("/app/incidents")
    take(desk, folder, "incidents")
    desk.get_by_role("link", name=PROBLEM).first.click()
    desk.wait_for_url(re.compile("/incidents/.+"))
    address = desk.url
    take(desk, folder, "incident")
    desk.goto(f"{address}?tab=why")
    desk.evaluate("document.querySelector('nav.tabs').scrollIntoView()")
    take(desk, folder, "why")
    desk.goto("/app/on-call")
    take(desk, folder, "on-call")
    look_at_schedules(desk, folder)
    phone = signed_in(browser, demo, PHONE, "dark")
    phone.goto(address)
    take(phone, folder, "phone")
    desk.goto(demo["sinks"])
    take(desk, folder, "arrived")


def look_at_schedules(desk: Page, folder: Path) -> None:
    """A rota, and the preview of a change to it that is never saved."""
    desk.goto("/app/schedules")
    desk.locator("main table a.title").first.click()
    desk.wait_for_url(re.compile("/schedules/.+"))
    take(desk, folder, "schedule")
    desk.get_by_role("link", name="Edit", exact=True).click()
    desk.locator("[name=l0_add]").select_option(index=3)
    desk.get_by_text("in the next 4 weeks").first.wait_for()
    desk.evaluate("document.getElementById('preview-box').scrollIntoView()")
    take(desk, folder, "schedule-preview")


def main() -> None:
    """Start, look, stop."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/pictures"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")},
            "TOCSIN_DATA": data,
            "TOCSIN_HTTP": f"127.0.0.1:{free_port()}",
            "TOCSIN_HTTPS": "off",
        }
        command = [str(ROOT / ".venv/bin/tocsin"), "demo"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            try:
                demo = read_until_ready(process)
                time.sleep(SETTLE_SECONDS)
                break_something(demo, environment)
                time.sleep(2)
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"])
                    look(browser, demo, folder)
                    browser.close()
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(30)


if __name__ == "__main__":
    main()
