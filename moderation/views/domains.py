"""The registrable domain of a link: as much of its host as tells who answers for it.

What stands below it may be the name of a person, and belongs to the full URL.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

import tldextract

# The list of public suffixes that the package brings along: nothing is fetched, nothing is cached.
_SUFFIXES = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())


def domain_of(url: str) -> str:
    """Return the registrable domain of a URL, or its address if it names none; empty if no host.

    Under a suffix that no list knows the last two names are taken for it.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    if _is_address(host):
        return host
    found = _SUFFIXES(host)
    if found.suffix:
        return found.top_domain_under_public_suffix or host
    return ".".join(host.split(".")[-2:])


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
