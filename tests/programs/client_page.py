"""Hold a conversation in Chromium with the TypeScript client's bundle. The project's Python runs this file.

    python client_page.py CHROMIUM BUNDLE URL TOKEN

Prints the names of the events, and the kind of the problem that a wrong session is.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

CONVERSATION = """
async (token) => {
  const { AgentClient } = await import("/client.js");
  const agent = new AgentClient({ baseUrl: location.origin, token });
  const events = [];
  for await (const { event } of agent.stream(await agent.createSession(), "Hello")) events.push(event);
  const problem = await agent.send(crypto.randomUUID(), "Hello").catch((error) => error);
  return { events, problem: problem.kind };
}
"""


def main(chromium: str, bundle: str, url: str, token: str) -> None:
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page: Any = browser.new_page()
        page.route("**/client.js", lambda route: route.fulfill(path=bundle, content_type="text/javascript"))
        page.goto(url)
        print(json.dumps(page.evaluate(CONVERSATION, token)))
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
