"""How often one caller may ask: counted in one step where the processes of all machines count."""

from functools import cache
from typing import Any, cast

from django.conf import settings
from redis import Redis
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

# The list holds when requests were let through, oldest first, in milliseconds by the server's
# clock. The answer is how long to wait, 0 for a request that is let through and counted.
STEP = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and tonumber(oldest) <= now - period do
  redis.call('LPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], 0)
end
if redis.call('LLEN', KEYS[1]) >= most then
  return (oldest or now) + period - now
end
redis.call('RPUSH', KEYS[1], now)
redis.call('PEXPIRE', KEYS[1], period)
return 0
"""


class ScreenThrottle(UserRateThrottle):
    """SCREEN_RATE, and never more of one caller within any such time, however many ask at once."""

    scope = "screen"

    def allow_request(self, request: Request, view: APIView) -> bool:
        key = cast("str", self.get_cache_key(request, view))
        most, seconds = cast("tuple[int, int]", self.parse_rate(self.rate))
        self.milliseconds: Any = _server().eval(STEP, 1, key, most, 1000 * seconds)
        return not self.milliseconds

    def wait(self) -> float:
        """Seconds until the next request is let through."""
        return float(self.milliseconds / 1000)


@cache
def _server() -> Redis:
    return Redis.from_url(settings.CACHES["default"]["LOCATION"])
