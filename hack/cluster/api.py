"""The kit's own client of the API server, which needs no kubectl: one connection, JSON in and out."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from .certificates import AUTHORITY, certificate, key
from .settings import API_PORT, HOST_ADDRESS


class ApiError(Exception):
    """The API server answered, but not with success."""

    def __init__(self, status: int, text: str) -> None:
        """Keep the HTTP status for callers that expect some."""
        super().__init__(f"{status}: {text}")
        self.status = status


class Api:
    """Calls the API server as its administrator."""

    def __init__(self) -> None:
        """Read the certificates; the connection is made at the first call."""
        context = ssl.create_default_context(cafile=str(AUTHORITY))
        context.load_cert_chain(certificate("admin"), key("admin"))
        self._connection = http.client.HTTPSConnection(HOST_ADDRESS, API_PORT, timeout=10, context=context)

    def text(self, method: str, path: str, body: object = None) -> str:
        """Make a call and return the answer; OSError and http.client.HTTPException say that there was none."""
        content = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, content, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            answer = response.read().decode()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if response.status >= 300:
            raise ApiError(response.status, answer)
        return answer

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a call and return the object in the answer."""
        return json.loads(self.text(method, path, body))

    def token(self, namespace: str, account: str) -> str:
        """Return a token of a service account, for a day."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        token: str = self.call("POST", path, {"spec": {"expirationSeconds": 86400}})["status"]["token"]
        return token

    def create(self, path: str, body: object) -> None:
        """Create an object unless it exists."""
        try:
            self.text("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise
