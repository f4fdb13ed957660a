"""The lessons as web pages, served to this machine alone."""

from __future__ import annotations

import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lwlr_teach.command.files import PACKAGE, handed_out

PUBLISHED = "https://lwlr-teach.github.io/lwlr-teach"


class Pages(SimpleHTTPRequestHandler):
    """The files of a site, without a word on what is asked for."""

    # Windows may call scripts plain text, and a browser runs no module that is.
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def site(port: int, *, browser: bool) -> int:
    """Serve the site until it is stopped. The port stays: a browser keeps what was answered at an address."""
    pages = _pages()
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(Pages, directory=pages))
    except (OSError, OverflowError) as error:
        raise SystemExit(
            f"Port {port} cannot be used ({error}); name another: lwlr-teach site --port 8601"
        ) from None
    with server:
        address = f"http://127.0.0.1:{server.server_port}/"
        print(f"The lessons are at {address} until you press Ctrl+C", flush=True)
        if browser:
            webbrowser.open(address)
        server.serve_forever()
    return 0


def _pages() -> Path:
    """Where the site is: a release holds it in the package, and `make site` builds it in a clone."""
    for place in (handed_out("site"), PACKAGE.parent / "build" / "site"):
        if (place / "index.html").is_file():
            return place
    raise SystemExit(
        f"This installation holds no site. It is at {PUBLISHED}, and in a clone `make site` builds it."
    )
