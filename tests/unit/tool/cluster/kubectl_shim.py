"""A `kubectl` for the fake API of kube.py: called with its URL and kubectl's own arguments. Standard library only.

The words of its errors are those of kubectl 1.35 (SAID in test_errors.py has more of them).
"""

from __future__ import annotations

import http.client
import json
import sys
from typing import NoReturn

REASONS = {403: "Forbidden", 404: "NotFound", 410: "Expired"}


def main(url: str, *arguments: str) -> None:
    """`config view`, `get --raw=PATH`, and `create` and `apply` of objects on standard input."""
    words = [word for word in arguments if not word.startswith(("--context=", "--request-timeout="))]
    if words[0] == "config":
        print("team-a")
        return
    server = url.partition("//")[2]
    connection = http.client.HTTPConnection(server)
    try:
        if words[0] == "get":
            path = words[1].partition("=")[2]
            connection.request("GET", path)
        else:
            path = "/kubectl"
            connection.request("POST", path, json.dumps({"words": words, "items": json.load(sys.stdin)["items"]}))
        answer = connection.getresponse()
    except ConnectionRefusedError:
        sys.exit(f"The connection to the server {server} was refused - did you specify the right host or port?")
    except (OSError, http.client.HTTPException):
        sys.exit("Unable to connect to the server: EOF")
    if answer.status >= 400:
        _refused(answer.status, path, json.loads(answer.read())["message"])
    if words[0] == "get":
        _copy(answer, bookmarks="allowWatchBookmarks" in path)
    else:
        code, out, err = json.loads(answer.read())
        sys.stderr.write(err)
        sys.stdout.write(out)
        sys.exit(code)


def _refused(status: int, path: str, message: str) -> NoReturn:
    if status == 403:
        parts, verb = path.partition("?")[0].split("/"), "watch" if "watch=1" in path else "list"
        resource = "pods/log" if parts[-1] == "log" else parts[-1]
        where = f'in the namespace "{parts[parts.index("namespaces") + 1]}"' if "namespaces" in parts[:-2] else ""
        scope = where or "at the cluster scope"
        message = f'{resource} is forbidden: User "u" cannot {verb} resource "{resource}" in API group "" {scope}'
    sys.exit(f"Error from server ({REASONS.get(status, 'BadRequest')}): {message}")


def _copy(answer: http.client.HTTPResponse, bookmarks: bool) -> None:
    """Line by line as it comes. A real API server sends bookmarks to those alone who ask for them."""
    try:
        for line in answer:
            if bookmarks or not line.startswith(b'{"type": "BOOKMARK"'):
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
    except (OSError, http.client.HTTPException):
        sys.exit("unexpected EOF")


if __name__ == "__main__":
    main(*sys.argv[1:])
