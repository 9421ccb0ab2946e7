"""Endpoints of WHIP (RFC 9725) and WHEP by aiortc: an offer by HTTP POST, whole, and an answer. A password in the
address is the bearer token."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any
from urllib.parse import urljoin, urlsplit

from glassbench.experiments.scenario.endpoint_url import EndpointUrl
from glassbench.experiments.worlds.peers.aiortc import Aiortc, AiortcReceiver, AiortcSender
from glassbench.experiments.worlds.peers.endpoint_pictures import give_picture
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError

_PATIENCE = 4.0  # seconds for an answer
_RETRY = 0.3  # seconds until a stream is asked for again
_CREATED = 201
_NOT_YET = (404, 409)  # nobody publishes
_AS_AN_ENDPOINT = {"codec": "h264", "release": "marker"}


def check() -> None:
    """Raises Unsupported if a part is missing."""
    Aiortc.package("aiortc")
    Aiortc.package("aiohttp")


class _Signalling:
    """Asks an endpoint for a session, and ends it."""

    def __init__(self, url: EndpointUrl) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {url.secret}"} if url.secret else {}
        self._session: str | None = None  # the address of ours

    async def ask(self, offer: str) -> str | None:
        """The answer to an offer; None if there is no stream yet. Raises PeerError."""
        aiohttp = import_module("aiohttp")
        headers = {**self._headers, "Content-Type": "application/sdp", "Accept": "application/sdp"}
        try:
            async with self._client() as client, client.post(self._address(), data=offer, headers=headers) as response:
                if response.status in _NOT_YET:
                    return None
                if response.status != _CREATED:
                    raise PeerError(f"{self._url.shown} answers {response.status} to an offer")
                if place := response.headers.get("Location"):
                    self._session = urljoin(self._address(), place)
                return str(await response.text())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PeerError(f"{self._url.shown} does not answer: {error or type(error).__name__}") from None

    async def end(self) -> None:
        """End the session."""
        if self._session is not None:
            with suppress(import_module("aiohttp").ClientError, TimeoutError):
                async with self._client() as client, client.delete(self._session, headers=self._headers):
                    self._session = None

    def _client(self) -> Any:
        aiohttp = import_module("aiohttp")
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PATIENCE))

    def _address(self) -> str:
        """The URL without the password."""
        parts = urlsplit(self._url.text)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


class WhipSender(AiortcSender):
    """It publishes."""

    def __init__(self, context: PeerContext, url: EndpointUrl) -> None:
        super().__init__(replace(context, options={**context.options, **_AS_AN_ENDPOINT}))
        self._url = url
        self._signalling = _Signalling(url)

    async def negotiate(self) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        answer = await self._signalling.ask(self.connection.localDescription.sdp)
        if answer is None:
            raise PeerError(f"{self._url.shown} has no such endpoint")
        await self.take_answer(answer)

    async def shut(self) -> None:
        await self._signalling.end()
        await super().shut()

    def settings(self) -> Mapping[str, object]:
        return {"endpoint": self._url.shown, **super().settings()}


class WhepReceiver(AiortcReceiver):
    """It plays; as long as nobody publishes it asks again."""

    def __init__(self, context: PeerContext, url: EndpointUrl) -> None:
        super().__init__(replace(context, options={**context.options, **_AS_AN_ENDPOINT}))
        self._url = url
        self._signalling = _Signalling(url)

    async def open(self) -> None:
        await super().open()
        self.connection.addTransceiver("video", direction="recvonly")

    async def negotiate(self) -> None:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        while (answer := await self._signalling.ask(self.connection.localDescription.sdp)) is None:
            await asyncio.sleep(_RETRY)
        await self.take_answer(answer)

    async def shut(self) -> None:
        await self._signalling.end()
        await super().shut()

    def give(self, picture: Any) -> None:
        give_picture(self.context, picture)

    def settings(self) -> Mapping[str, object]:
        return {"endpoint": self._url.shown, **super().settings()}
