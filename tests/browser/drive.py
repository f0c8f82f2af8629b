"""One headless browser, remote-controlled: JSON lines in on stdin, JSON lines out on stdout.

::

    python drive.py /usr/bin/chromium

    in   {"ask": 1, "do": "open", "tab": "tab 1", "visitor": "ada"}
         {"ask": 2, "do": "goto", "tab": "tab 1", "args": ["http://127.0.0.1:8080/"]}
         {"ask": 3, "do": "forget all"}
    out  {"ready": "156.0.8078.79"}
         {"ask": 2, "answer": null}     or     {"ask": 2, "error": "net::ERR_CONNECTION_REFUSED"}
         {"tab": "tab 1", "event": "report", "args": ["client 1", "connect", []]}

What to do is any method of Playwright's ``Page``. Tabs of one visitor share their cookies. Reported
are calls of ``report(...)`` in the page, and what its console, its errors and its network say.

A process of its own: the tests' is patched by gevent, and Playwright needs asyncio as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    Request,
    WebSocket,
    async_playwright,
)

FLAGS = [
    "--no-sandbox",  # containers run as root and without user namespaces
    "--disable-gpu",
    # Names of sites whose pages are not trusted like those of this machine's own addresses.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
    # Nothing but the pages of the tests may touch the network.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def say(**line: Any) -> None:
    # Playwright's own process shares the pipe, and has it not block: more than that holds was lost.
    os.set_blocking(sys.stdout.fileno(), True)
    # ASCII: no separator of lines but our own is in the output.
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Driver:
    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._visitors: dict[str, BrowserContext] = {}
        self._tabs: dict[str, Page] = {}
        self._names: dict[Page, str] = {}
        # Each with one blank page: opening one takes longer than most tests.
        self._spare: list[BrowserContext] = []

    async def answer(self, command: dict[str, Any]) -> None:
        try:
            answer = await self._do(**command)
            say(ask=command["ask"], answer=answer)
        except Error as error:
            say(ask=command["ask"], error=error.message)

    async def _do(
        self, ask: int, do: str, tab: str = "", visitor: str = "", args: Any = (), **options: Any
    ) -> Any:
        if do == "open":
            page = await self._open(visitor)
            self._tabs[tab], self._names[page] = page, tab
        elif do == "forget all":
            await self._forget_all()
        else:
            answer = await getattr(self._tabs[tab], do)(*args, **options)
            return answer if isinstance(answer, str | int | float | list | dict) else None

    async def _open(self, visitor: str) -> Page:
        context = self._visitors.get(visitor)
        if context is not None:
            return await self._new_page(context)
        if self._spare:
            context = self._visitors[visitor] = self._spare.pop()
            return context.pages[0]
        context = self._visitors[visitor] = await self._browser.new_context()

        def report(source: dict[str, Any], *args: Any) -> None:
            self._heard(source["page"], "report", *args)

        await context.expose_binding("report", report)
        return await self._new_page(context)

    async def _new_page(self, context: BrowserContext) -> Page:
        page = await context.new_page()

        def watch(websocket: WebSocket) -> None:
            url = websocket.url
            self._heard(page, "websocket", url)
            websocket.on("socketerror", lambda why: self._heard(page, "websocket failed", url, why))

        def failed(request: Request) -> None:
            self._heard(page, "request failed", request.url, request.failure)

        page.on("console", lambda line: self._heard(page, "console", line.type, line.text))
        page.on("pageerror", lambda error: self._heard(page, "page error", str(error)))
        page.on("response", lambda answer: self._heard(page, "response", answer.status, answer.url))
        page.on("requestfailed", failed)
        page.on("websocket", watch)
        return page

    def _heard(self, page: Page, event: str, *args: Any) -> None:
        if page in self._names:
            say(tab=self._names[page], event=event, args=args)

    async def _forget_all(self) -> None:
        visitors, self._visitors = self._visitors, {}
        self._tabs.clear()
        self._names.clear()
        for context in visitors.values():
            try:
                for page in context.pages[1:]:
                    await page.close()
                await context.pages[0].goto("about:blank")
                await context.clear_cookies()
            except (Error, IndexError):
                await context.close()  # the test has closed its tabs itself
            else:
                self._spare.append(context)


async def main(program: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        driver = Driver(browser)
        say(ready=browser.version)
        under_way: set[asyncio.Task[None]] = set()
        while line := await asyncio.to_thread(sys.stdin.readline):
            # A task each: a command that waits must not keep others from being done.
            task = asyncio.create_task(driver.answer(json.loads(line)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
