"""The registrable domain of a link."""

import pytest

from moderation.views.domains import domain_of


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://a.name.harbour.co.uk/x.jpg", "harbour.co.uk"),
        ("https://jane-doe.github.io/x.jpg", "github.io"),
        ("https://JANE.Example.COM:8443/x?u=other.org", "example.com"),
        ("https://user:word@pictures.example.net/x", "example.net"),
        ("https://xn--mnchen-3ya.de/x", "xn--mnchen-3ya.de"),
        ("https://a.münchen.de/x", "münchen.de"),
        ("https://deep.pictures.nowhere/x", "pictures.nowhere"),
        ("https://quay/x", "quay"),
        ("http://192.0.2.1:8080/x", "192.0.2.1"),
        ("http://[2001:db8::1]/x", "2001:db8::1"),
        ("https://co.uk/x", "co.uk"),
        ("https://[broken/x", ""),
        ("not a link", ""),
        ("", ""),
    ],
)
def test_of_a_host_no_more_than_its_domain_is_told(url, domain):
    assert domain_of(url) == domain
