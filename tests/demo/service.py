#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A small book shop that leaks the way services do. Prints `port N` and serves until it is told to end.

Two things stay for ever. Parsed searches are remembered per session, and a client that sends no cookie is a
new session each time. Finished requests leave a closure in a list of hooks that nobody empties. Everything
else is honest churn: scores, labels, rendered pages.
"""

import json
import random
import secrets
import socket

import uvicorn
from fastapi import Cookie, FastAPI, Response

SUBJECTS = ["gardens", "rivers", "islands", "kitchens", "engines", "winters", "letters", "maps"]
FORMS = ["A short history of", "Notes on", "The quiet life of", "Field guide to", "Against", "Learning from"]


def build_catalogue() -> list[dict]:
    """The same few hundred books at every start."""
    dice = random.Random(2024)
    return [
        {
            "isbn": f"978-{dice.randrange(10**9):09d}",
            "title": f"{dice.choice(FORMS)} {dice.choice(SUBJECTS)}",
            "year": dice.randrange(1950, 2025),
            "price": round(dice.uniform(5, 60), 2),
        }
        for _ in range(400)
    ]


app = FastAPI(title="book shop")
catalogue = build_catalogue()
parsed_searches: dict[tuple[str, str], "Search"] = {}
shutdown_hooks: list = []


class Hit:
    __slots__ = ("book", "score")

    def __init__(self, book: dict, score: int) -> None:
        self.book = book
        self.score = score


class Search:
    """A query and its hits, worked out once and kept for the following pages of results."""

    def __init__(self, query: str) -> None:
        self.words = query.lower().split()
        self.hits = [Hit(book, self.score(book)) for book in catalogue if self.score(book)]
        self.hits.sort(key=lambda hit: hit.score, reverse=True)
        self.seen: list[str] = []

    def score(self, book: dict) -> int:
        title = book["title"].lower()
        return sum(word in title for word in self.words)

    def page(self, number: int) -> list[dict]:
        return [hit.book for hit in self.hits[number * 10:number * 10 + 10]]


def parse_search(session: str, query: str) -> Search:
    key = (session, query)
    if key not in parsed_searches:
        parsed_searches[key] = Search(query)
    return parsed_searches[key]


def remember_order(session: str, shown: list[str]) -> None:
    """Flushes what was shown when the service goes down, so that no statistics are lost."""

    def flush() -> dict:
        return {"session": session, "shown": shown}

    shutdown_hooks.append(flush)


def render(books: list[dict]) -> str:
    rows = [dict(book, label=f"{book['title']} ({book['year']}), {book['price']:.2f} EUR") for book in books]
    return json.dumps({"results": rows, "count": len(rows)})


@app.get("/search")
async def search_books(q: str, page: int = 0, session: str | None = Cookie(default=None)) -> Response:
    session = session or secrets.token_hex(16)
    search = parse_search(session, q)
    books = search.page(page)
    shown = [book["isbn"] for book in books]
    search.seen.extend(shown)
    remember_order(session, shown)
    headers = {"Set-Cookie": f"session={session}"}
    return Response(render(books), media_type="application/json", headers=headers)


def main() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print("port", listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
