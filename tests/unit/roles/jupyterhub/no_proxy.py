"""A proxy class for tests without a proxy: keeps the routes, listens nowhere. Used by the hub under test."""

from jupyterhub.proxy import Proxy


class NoProxy(Proxy):
    should_start = False
    routes = {}

    async def add_route(self, routespec, target, data):
        self.routes[routespec] = {"routespec": routespec, "target": target, "data": data}

    async def delete_route(self, routespec):
        self.routes.pop(routespec, None)

    async def get_all_routes(self):
        return self.routes
