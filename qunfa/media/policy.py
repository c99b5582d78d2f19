"""What may be read as a source, and within which limits."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from qunfa.media.hosts import AllowedHosts
from qunfa.media.prefixes import StorePrefix


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Where sources may be read from: nowhere, unless listed; and within which limits.

    `roots` are folders for `file:`, absolute. `hosts` are for `http:` and `https:`: a host name, an IP address, either
    with a port (without one: 80 and 443), or a network; an address that is not public must be listed itself or by its
    network, also where a listed name resolves to it. `stores` are prefixes such as `s3://bucket/campaigns`.

    `s3_endpoint` (an http(s) URL) and `s3_region` name an S3-compatible server; where None, `AWS_ENDPOINT_URL` and
    `AWS_REGION` do. Credentials come from AWS's variables, or from the machine's role.

    `size_max` is in bytes, and the upper limit of every fetch. A fetch takes `time_max` at most, to connect (for TCP
    and for TLS each) `connect_max`; a server that says nothing for `silence_max` is given up.

    Raises:
        ValueError: an entry of `roots`, `hosts` or `stores` is none.
    """

    roots: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    s3_endpoint: str | None = None
    s3_region: str | None = None
    size_max: int = 10 * 1024 * 1024
    connect_max: timedelta = timedelta(seconds=5)
    silence_max: timedelta = timedelta(seconds=15)
    time_max: timedelta = timedelta(minutes=2)

    def __post_init__(self) -> None:
        AllowedHosts(self.hosts)
        for prefix in self.stores:
            StorePrefix.parse(prefix)
        for root in self.roots:
            if not root.is_absolute():
                raise ValueError(f"the root {root} must be an absolute path")
