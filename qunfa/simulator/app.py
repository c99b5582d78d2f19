"""The ASGI application: the API's endpoints and the admin endpoints over one world."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from qunfa.simulator import admin, admin_callback, admin_media
from qunfa.simulator.config import SimulatorConfig
from qunfa.simulator.gateway import Gateway
from qunfa.simulator.jobs import MsgIds
from qunfa.simulator.routes import ENDPOINTS, check_fault
from qunfa.simulator.world import World


class Holder:
    """Holds the world that the application serves, and can replace it."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.world = _begin(config)

    async def reset(self, config: SimulatorConfig | None = None) -> None:
        """Begin anew, with another configuration if one is given; msg_ids go on where they stood."""
        old = self.world
        self.world = _begin(config or old.config, old.msg_ids)
        await old.close()


def _begin(config: SimulatorConfig, msg_ids: MsgIds | None = None) -> World:
    for fault in config.faults:
        check_fault(fault)
    return World(config, msg_ids)


def create_app(config: SimulatorConfig) -> Starlette:
    """The simulator as an application; `app.state.simulator.world` is its state.

    Faults that close a connection without an answer need the connection, so `serve` or `Simulator` must run it.

    Raises:
        ValueError: a fault of the configuration is for an endpoint that does not exist.
    """
    holder = Holder(config)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await holder.world.close()

    app = Starlette(
        routes=[
            *(Route(endpoint.path, Gateway(endpoint)) for endpoint in ENDPOINTS),
            *admin.ROUTES,
            *admin_callback.ROUTES,
            *admin_media.ROUTES,
        ],
        exception_handlers={HTTPException: admin.refuse},
        lifespan=lifespan,
    )
    app.state.simulator = holder
    return app
