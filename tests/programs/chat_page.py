"""Visit the chat page of a running service in Chromium. The Python of a rendered project, with Playwright, runs this.

    python chat_page.py FOLDER < VISIT

The input is JSON: the `url` and `token` of the service, the path of `chromium`, the source of `axe`, and `chats`, each
a list of messages with the text that ends the answer. Each message is sent; then each view shows the last chat.
Writes `chat-<view>.png` into the folder. Prints JSON: by view, the `shown` conversation and `violations` by state.
"""

from __future__ import annotations

import json
import re
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, sync_playwright

VIEWS: dict[str, dict[str, Any]] = {
    f"{device}-{scheme}": {"viewport": viewport, "color_scheme": scheme, "locale": "en-US", "timezone_id": "UTC"}
    for device, viewport in {
        "desktop": {"width": 1280, "height": 880},
        "phone": {"width": 390, "height": 844},
    }.items()
    for scheme in ("light", "dark")
}


def problem(status: int, kind: str, **members: str) -> dict[str, Any]:
    """Return the answer of a service that refuses."""
    body = json.dumps({"type": f"urn:problem:{kind}", "title": "Refused.", "status": status, **members})
    return {"status": status, "content_type": "application/problem+json", "body": body}


FAILURES: list[tuple[str, dict[str, Any] | None, str]] = [
    ("budget", problem(429, "budget-spent", resets="2126-12-02T00:00:00Z"), "Your budget for today is used up."),
    ("error", problem(500, "internal"), "Something went wrong"),
    ("connection lost", None, "Connection lost."),
]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds: rule, elements and explanation."""
    found = page.evaluate("axe.run()")["violations"]
    return [f"{each['id']}: {[node['target'] for node in each['nodes']]} {each['help']}" for each in found]


def hold(page: Page, chats: list[list[list[str]]]) -> str:
    """Send the messages; return the fragment of the last chat."""
    for chat in chats:
        page.get_by_role("button", name="New chat").first.click()
        for number, (message, ending) in enumerate(chat):
            page.get_by_label("Message", exact=True).fill(message)
            page.keyboard.press("Enter")
            page.locator(".turn").nth(number).locator(".answer").get_by_text(ending).wait_for()
    page.wait_for_url(re.compile("#/"))
    fragment: str = page.evaluate("location.hash")
    return fragment


def shown(page: Page) -> dict[str, Any]:
    """Return what a reader sees of the conversation."""
    names, states = page.locator("summary code").all_inner_texts(), page.locator(".state").all_inner_texts()
    return {
        "title": page.locator(".title").inner_text(),
        "messages": page.locator(".question p").all_inner_texts(),
        "calls": list(zip(names, states, strict=True)),
        "code": page.locator(".code code").all_inner_texts(),
        "buttons": page.locator(".approval button").all_inner_texts(),
        "fits": page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
    }


def respond(answer: dict[str, Any] | None, route: Route) -> None:
    """Answer a request in place of the service; without an answer, break the connection."""
    if answer is None:
        route.abort()
    else:
        route.fulfill(**answer)


def failures(page: Page, url: str) -> dict[str, list[str]]:
    """Look at the page when a budget is spent, the service fails, and the connection is lost. Nothing is stored."""
    found = {}
    for state, answer, text in FAILURES:
        page.unroute_all()
        page.route("**/messages", partial(respond, answer))
        page.goto(url)
        page.reload()  # the address of the chat and that of a new one differ in the fragment only
        page.get_by_label("Message", exact=True).fill("Hello! What can you do?")
        page.keyboard.press("Enter")
        page.get_by_text(text).first.wait_for()
        found[state] = violations(page)
    return found


def visit(browser: Browser, view: str, given: dict[str, Any], folder: Path, fragment: str) -> dict[str, Any]:
    """Go through the states of the page in one view."""
    with closing(browser.new_context(**VIEWS[view])) as context:
        context.add_init_script(given["axe"])
        page = context.new_page()
        found = {}
        page.goto(given["url"])
        page.locator("#token").wait_for()
        found["sign-in"] = violations(page)
        page.locator("#token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("This token was refused").wait_for()
        found["token refused"] = violations(page)
        page.goto(f"{given['url']}/#token={given['token']}")
        page.get_by_text("How can I help?").wait_for()
        page.locator(".chats a").first.wait_for(state="attached")
        found["welcome"] = violations(page)
        page.goto(f"{given['url']}/{fragment}")
        page.get_by_role("button", name="Approve").wait_for()
        page.get_by_label("Message", exact=True).blur()
        page.screenshot(path=folder / f"chat-{view}.png")
        conversation = shown(page)
        page.locator("summary").first.click()
        found["chat"] = violations(page)
        if view.startswith("phone"):
            page.get_by_role("button", name="Open the list of chats").click()
            found["list of chats"] = violations(page)
        page.get_by_role("button", name=re.compile("^Delete chat")).first.click()
        page.get_by_text("Delete this chat?").wait_for()
        found["dialog"] = violations(page)
        found |= failures(page, given["url"])
        return {"shown": conversation, "violations": found}


def main(folder: Path) -> None:
    given = json.load(sys.stdin)
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        with closing(playwright.chromium.launch(executable_path=given["chromium"], args=options)) as browser:
            with closing(browser.new_context(**VIEWS["desktop-light"])) as context:
                page = context.new_page()
                page.goto(f"{given['url']}/#token={given['token']}")
                fragment = hold(page, given["chats"])
            print(json.dumps({view: visit(browser, view, given, folder, fragment) for view in VIEWS}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
