"""Puts a finalized model behind HTTP: starts Ray Serve with the application, switches versions, stops it."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import httpx
from pydantic import ValidationError

from assay.catalog import setting_fault
from assay.engines import addresses, cluster, haproxy
from assay.engines.admission import Admission
from assay.engines.following import Problems
from assay.engines.keeping import Keeping
from assay.errors import ArtifactFault, ClusterFault, SpecFault
from assay.store import artifact
from assay.store.releases import Release
from assay.store.tokens import Token

# Named, not imported: the server stands on the platform, not the other way round.
APPLICATION, SETTINGS = "assay_serving.app", "assay_serving.settings"
APP_NAME, SHADOW_APP_NAME = "assay", "assay-shadow"
READY_TIMEOUT_S = 120.0  # a loaded machine takes half a minute to start Ray and a replica
# Ray starts workers at nice 15, behind whatever else runs here. Those of a server are waited for by people: with 32
# clients beside their own load generator, 1,310 to 1,480 answers a second instead of 1,130 to 1,250.
FOREGROUND = {"RAY_worker_niceness": "0"}
# The server gives up after 30 s and says so in JSON; the proxy's plain answer is for when even that does not come.
PROXY_TIMEOUT_S = 35.0


@dataclass(frozen=True)
class Scale:
    """How large a server is: replicas, more of them up to `max_replicas` while requests wait, and the CPUs of each.

    With `fan_out` the members of each model are divided among so many processes beside each replica; an answer does
    without those that are later than `member_deadline_s`.
    """

    num_replicas: int = 1
    max_replicas: int | None = None
    threads: int = 1
    fan_out: int = 0
    member_deadline_s: float = 1.0

    @property
    def num_cpus(self) -> int:
        """CPUs without which the server does not start; the members of a replica share as many as it has itself."""
        return self.num_replicas * self.threads * (2 if self.fan_out else 1)


@dataclass
class Server:
    """Models that answer at `url`; leaving its `with` block stops it."""

    url: str
    releases: tuple[Release, ...]
    scale: Scale
    connected_here: bool  # and not by whoever called `start`, so `stop` leaves Ray again
    admission: Admission = field(default_factory=Admission)
    keeping: Keeping = field(default_factory=Keeping)
    environment: dict[str, str] = field(default_factory=dict)  # that a local Ray was started in, for HAProxy

    def switch(self, *releases: Release) -> None:
        """Answer with other versions from now on; no request fails, none is answered by half of each.

        Raises:
            ArtifactFault: an artifact is refused; what was at work stays.
            ClusterFault: the replicas did not take it in time.
        """
        _check(releases)
        _deploy(releases, self.scale, self.admission, self.keeping)
        _await_releases(self.url, releases, self.admission)
        self.releases = releases

    def admit(self, tokens: tuple[Token, ...] | None) -> None:
        """Know these tokens from now on, and no others; None asks for none, which only loopback allows.

        Raises:
            ClusterFault: the replicas did not take it.
        """
        admission = replace(self.admission, tokens=tokens)
        _deploy(self.releases, self.scale, admission, self.keeping)
        self.admission = admission

    def keep(self, keeping: Keeping) -> None:
        """Keep this of the requests that come from now on.

        Raises:
            ClusterFault: the replicas did not take it.
        """
        _deploy(self.releases, self.scale, self.admission, keeping)
        self.keeping = keeping

    def follow(
        self,
        find: Callable[[], Sequence[Release]],
        told: Callable[[str], None],
        every_s: float,
        tokens: Callable[[], tuple[Token, ...]] | None = None,
        problems: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Switch whenever `find` finds other releases, until Ctrl-C or SIGTERM.

        What fails is told once, and tried again: nothing that happens outside may end a server that answers. `problems`
        says what `find` could not follow.

        `tokens` finds who may ask; it is asked first, so that a token is revoked whatever else fails.
        """

        reported = Problems(told)

        def look() -> None:
            try:
                known = self.admission.tokens if tokens is None else tokens()
                if known != self.admission.tokens:
                    self.admit(known)
                    told(f"may ask: {self.admission}")
                found = tuple(find())
                if found != self.releases:
                    self.switch(*found)
                    told(f"now serving {'; '.join(map(described, found))}")
                reported.report(problems())
            except Exception as error:  # noqa: BLE001
                reported.report_error(error)

        self.wait(look, every_s)

    def wait(self, look: Callable[[], None] | None = None, every_s: float | None = None) -> None:
        """Block until Ctrl-C or SIGTERM, and `look` meanwhile; a second signal while stopping acts as usual."""
        asked = threading.Event()

        def stop(_: int, __: FrameType | None) -> None:
            asked.set()

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not asked.wait(every_s if look else None):
                if look:
                    look()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Answer what is being answered, then stop; a Ray that was there before stays."""
        _delete(APP_NAME, SHADOW_APP_NAME)
        if self.connected_here:
            cluster.disconnect()
        haproxy.forget(self.environment)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    releases: Release | Sequence[Release],
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    scale: Scale | None = None,
    address: str | None = None,
    with_haproxy: bool | None = None,
    admission: Admission | None = None,
    keeping: Keeping | None = None,
) -> Server:
    """Serve what releases name and return when it answers; `admission` says who may ask, `keeping` what is kept.

    Without `address` and outside a cluster a local Ray is started, and stopped again with the server; with HAProxy in
    front of it, where there is one, unless `with_haproxy` says otherwise. A cluster is taken as it is.

    Raises:
        ArtifactFault: an artifact was changed, is incomplete or is not ours.
        SpecFault: `host` is open to other machines and there is no token, or a name does not fit into a URL.
        ClusterFault: the port is taken, HAProxy is wanted and not there, there are too few CPUs, or it did not come up.
    """
    releases = (releases,) if isinstance(releases, Release) else tuple(releases)
    host = addresses.plain_host(host)
    scale = scale or Scale()
    _check(releases)
    admission, keeping = admission or Admission(), keeping or Keeping()
    _arguments(releases, scale, admission, keeping)
    admission.check(host)
    url, connected_here = f"http://{addresses.reachable(host)}:{port}", not cluster.is_connected()
    server = Server(url, releases, scale, connected_here, admission, keeping)
    if not (address or os.environ.get("RAY_ADDRESS") or (cluster.is_connected() and _listens_on() == (host, port))):
        addresses.claim(host, port)
    with ExitStack() as undo:
        if server.connected_here and cluster.is_local(address):
            server.environment = haproxy.environment(with_haproxy, host)
            undo.callback(haproxy.forget, server.environment)
        with haproxy.within({**FOREGROUND, **server.environment}):
            cluster.connect(address)
        if server.connected_here:
            undo.callback(cluster.disconnect)
            _refuse_too_large(scale, address)
        if not server.environment:
            haproxy.check(with_haproxy, host)
        _open_proxy(host, port)
        undo.callback(_delete, APP_NAME, SHADOW_APP_NAME)
        _deploy(releases, scale, admission, keeping)
        _await_releases(server.url, releases, admission)
        undo.pop_all()
    return server


def _refuse_too_large(scale: Scale, address: str | None) -> None:
    """Return when a local Ray has the CPUs that a server asks for: without them Serve waits for ever."""
    if cluster.is_local(address) and scale.num_cpus > (found := cluster.num_cpus()):
        raise ClusterFault.at(
            "the server",
            f"asks for {scale.num_cpus} CPUs, and this machine has {found}",
            "take fewer `--replicas` or `--threads` (with `--fan-out` they count twice), or join a cluster",
        )


def described(release: Release) -> str:
    """Return a release for people: `churn/3, canary 4 for 10 % of the keys, shadow 5`."""
    parts = [f"{release.name}/{release.champion.version}"]
    if release.canary:
        parts.append(f"canary {release.canary.version} for {release.canary_share:.0%} of the keys")
    if release.shadow:
        parts.append(f"shadow {release.shadow.version}")
    return ", ".join(parts)


def _check(releases: Sequence[Release]) -> None:
    """Find a broken artifact here, in a millisecond, not by replicas that fail to start."""
    for release in releases:
        for placed in (release.champion, release.canary, release.shadow):
            if placed is not None:
                artifact.read(placed.folder)


def _planned(release: Release) -> dict[str, Any]:
    roles = {"champion": release.champion, "canary": release.canary, "shadow": release.shadow}
    placed = {role: {"version": one.version, "path": str(one.folder.resolve())} for role, one in roles.items() if one}
    return {"name": release.name, **placed, "canary_share": release.canary_share}


def _arguments(releases: Sequence[Release], scale: Scale, admission: Admission, keeping: Keeping) -> Any:
    settings = importlib.import_module(SETTINGS)
    try:
        models = [_planned(release) for release in releases]
        return settings.ServeArgs(models=models, **vars(scale), **admission.planned(), **keeping.planned())
    except ValidationError as error:
        raise SpecFault(*(setting_fault("serve", settings.ServeArgs, item) for item in error.errors())) from None


def _quiet_serve() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between Ray and pydantic, which are theirs to settle
        from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # after the import, which sets it to INFO
    return serve


def _listens_on() -> tuple[str, int] | None:
    """Return where the Ray Serve of this cluster listens; it goes on to, after its last model was taken away."""
    _quiet_serve()
    from ray.serve.context import _get_global_client

    running = _get_global_client(raise_if_no_controller_running=False)
    return None if running is None else (running.http_config.host, running.http_config.port)


def _open_proxy(host: str, port: int) -> None:
    serve = _quiet_serve()
    found = _listens_on()
    if found is not None and found != (host, port):
        raise ClusterFault.at(
            addresses.place_of(host, port),
            f"Ray Serve listens on {addresses.place_of(*found)} already, and one cluster has one",
            f"use `--port {found[1]}`, or stop the other with `serve shutdown`",
        )
    if found is None:
        serve.start(
            proxy_location="HeadOnly", http_options={"host": host, "port": port, "request_timeout_s": PROXY_TIMEOUT_S}
        )


def _deploy(releases: Sequence[Release], scale: Scale, admission: Admission, keeping: Keeping) -> None:
    serve = _quiet_serve()
    application: Any = importlib.import_module(APPLICATION)
    arguments = _arguments(releases, scale, admission, keeping)
    watched = any(release.shadow for release in releases)
    running = APP_NAME in serve.status().applications

    def watch() -> None:
        beside = serve.RunTarget(application.build_shadow(arguments), name=SHADOW_APP_NAME, route_prefix=None)
        serve.run_many([beside], wait_for_applications_running=False)

    if watched and running:  # not waited for: whether it comes up must matter to nobody
        watch()
    try:
        serve.run(application.build(arguments), name=APP_NAME, route_prefix="/")
    except (RuntimeError, TimeoutError) as error:
        named = ", ".join(map(described, releases))
        raise ClusterFault.at(named, f"was not deployed ({_last_line(error)})", "look at `serve status`") from None
    if watched and not running:  # after the server: on few CPUs the shadow must not take those that it waits for
        watch()
    if not watched:
        _delete(SHADOW_APP_NAME)


def _delete(*names: str) -> None:
    # Drains the replicas. `serve.shutdown()` would do no more for a local Ray, which ends anyway, and prints errors.
    serve = _quiet_serve()
    running = serve.status().applications
    for name in names:
        if name in running:
            serve.delete(name)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _await_releases(url: str, releases: Sequence[Release], admission: Admission) -> None:
    """Return when the server answers with these releases."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    found = "nothing answered"
    with httpx.Client(base_url=url, headers=admission.headers(), timeout=5.0, trust_env=False) as client:
        for release in releases:
            while True:
                try:
                    answer = client.get(f"/v2/models/{release.name}")
                    found = f"{answer.status_code} {answer.text[:200]}"
                    if answer.is_success and answer.json()["parameters"]["release"] == _roles(release):
                        break
                    _raise_refused(client, release)
                except (httpx.TransportError, ValueError, KeyError) as error:
                    found = type(error).__name__
                if time.monotonic() > deadline_s:
                    text = f"was not ready within {READY_TIMEOUT_S:.0f} s (last: {found})"
                    raise ClusterFault.at(url, text, "look at `serve status`, then try again")
                time.sleep(0.05)


def _roles(release: Release) -> dict[str, Any]:
    roles: dict[str, Any] = {"champion": release.champion.version}
    if release.canary:
        roles |= {"canary": release.canary.version, "canary_share": release.canary_share}
    return roles | ({"shadow": release.shadow.version} if release.shadow else {})


def _raise_refused(client: httpx.Client, release: Release) -> None:
    wanted = {placed.version for placed in (release.champion, release.canary) if placed}
    entries = client.post("/v2/repository/index").json()
    for entry in entries if isinstance(entries, list) else []:
        if entry["name"] == release.name and entry["version"] in wanted and entry["state"] == "UNAVAILABLE":
            raise ArtifactFault.at(f"model {entry['name']}/{entry['version']}", f"was refused ({entry['reason']})")
