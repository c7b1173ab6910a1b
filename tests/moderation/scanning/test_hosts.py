"""Politeness: few links of a host at once, pauses that hosts ask for, silent hosts left alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from moderation.media.fetch import FetchFailed
from moderation.outcomes import REASONS, Outcome
from moderation.scanning.hosts import (
    LEFT_ALONE,
    MOST_PAUSES,
    MOST_SILENCES,
    TRIES,
    Hosts,
    host_of,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts(clock: Clock) -> Hosts:
    return Hosts(at_once=2, longest_pause=60, clock=clock)


def add(hosts: Hosts, host: str, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        hosts.add(f"http://{host}/{number}.jpg", number)


def ready(hosts: Hosts) -> list[int]:
    """The numbers of all links that may be asked for now; they stay under way."""
    return [link.number for link in links(hosts)]


def links(hosts: Hosts) -> list:
    found = []
    with hosts._changed:
        hosts._resume()
        while hosts._open:
            found.append(hosts._next())
    return found


def busy(after: float | None = None) -> FetchFailed:
    return FetchFailed("http_429", 429, retry_after=after)


def test_only_so_many_of_one_host_are_under_way_and_hosts_take_turns(hosts: Hosts) -> None:
    add(hosts, "a.example", 5)
    add(hosts, "b.example", 3, start=10)
    first = links(hosts)
    assert [link.number for link in first] == [0, 10, 1, 11]
    assert ready(hosts) == []
    hosts.answered(first[1])
    assert ready(hosts) == [12]
    hosts.failed(first[0], FetchFailed("http_404", 404))
    assert ready(hosts) == [2]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://A.example/1.jpg", "a.example"),
        ("https://a.example", "a.example"),
        ("http://who@a.example:8080/1//2", "a.example:8080"),
        ("nonsense", ""),
    ],
)
def test_a_link_belongs_to_the_host_it_names(url: str, name: str) -> None:
    assert host_of(url) == name


def test_a_pause_is_kept_then_one_link_tries_the_host_out(hosts: Hosts, clock: Clock) -> None:
    add(hosts, "a.example", 6)
    add(hosts, "b.example", 1, start=10)
    first, other, second = links(hosts)
    assert not hosts.failed(first, busy(30))  # tried again
    assert not hosts.failed(second, busy(5))  # the longer pause counts
    hosts.answered(other)
    assert ready(hosts) == []
    assert hosts.held == 6
    clock.now += 29.9
    assert ready(hosts) == []
    clock.now += 0.2
    [probe] = links(hosts)
    assert ready(hosts) == []
    hosts.answered(probe)
    assert len(ready(hosts)) == 2
    assert hosts.held == 0  # three wait for their turn, nobody is idle for them


def test_a_host_that_does_not_say_how_long_is_left_longer_each_time(
    hosts: Hosts, clock: Clock
) -> None:
    add(hosts, "a.example", 1)
    for wait in (1.0, 2.0):
        [link] = links(hosts)
        assert not hosts.failed(link, FetchFailed("http_5xx", 503))
        clock.now += wait - 0.01
        assert ready(hosts) == []
        clock.now += 0.02
    [link] = links(hosts)
    assert link.tries == TRIES - 1
    assert hosts.failed(link, FetchFailed("http_5xx", 503))  # that was the last try


def test_a_longer_pause_than_we_wait_is_kept_by_not_asking_again(hosts: Hosts) -> None:
    add(hosts, "a.example", 4)
    first, second = links(hosts)
    assert hosts.failed(first, busy(3600))
    assert [link.unasked.reason for link in links(hosts)] == [LEFT_ALONE] * 2
    assert hosts.failed(second, busy())
    assert hosts.held == 0


def test_a_link_that_was_asked_for_keeps_what_was_answered(hosts: Hosts) -> None:
    add(hosts, "a.example", 3)
    first, second = links(hosts)
    assert not hosts.failed(first, busy(1))
    assert hosts.failed(second, busy(3600))
    ends = {link.number: link.unasked for link in links(hosts)}
    assert {number: end.reason for number, end in ends.items() if end} == {
        0: "http_429",
        2: LEFT_ALONE,
    }


def test_a_host_that_always_asks_for_a_pause_is_left_alone(hosts: Hosts, clock: Clock) -> None:
    add(hosts, "a.example", 100)
    asked, ended = 0, []
    while not ended or len(ended) < 100:
        for link in links(hosts):
            if link.unasked:
                ended.append(link.unasked.reason)
            else:
                asked += 1
                if hosts.failed(link, busy(1)):
                    ended.append("http_429")
        clock.now += 1.1
    assert asked <= MOST_PAUSES + 2
    assert set(ended) == {"http_429", LEFT_ALONE}


def test_a_silent_host_is_left_alone_and_others_are_not(hosts: Hosts) -> None:
    add(hosts, "silent.example", 50)
    add(hosts, "well.example", 1, start=100)
    asked, reasons = 0, []
    while len(reasons) < 51:
        for link in links(hosts):
            if link.unasked:
                reasons.append(link.unasked.reason)
            elif link.number == 100:
                hosts.answered(link)
                reasons.append("fetched")
            else:
                asked += 1
                assert hosts.failed(link, FetchFailed("timeout"))
                reasons.append("timeout")
    assert asked == reasons.count("timeout") == MOST_SILENCES
    assert reasons.count("fetched") == 1
    assert REASONS[LEFT_ALONE] is Outcome.UNCHECKED


@pytest.mark.parametrize(
    "failure",
    [FetchFailed("http_404", 404), FetchFailed("not_a_picture", 200), FetchFailed("bad_url")],
)
def test_what_is_wrong_with_a_link_is_not_held_against_its_host(
    hosts: Hosts, failure: FetchFailed
) -> None:
    add(hosts, "a.example", 20)
    asked = 0
    while found := links(hosts):
        for link in found:
            assert link.unasked is None
            asked += 1
            hosts.failed(link, failure)
    assert asked == 20


def test_an_answer_between_failures_makes_a_host_well(hosts: Hosts) -> None:
    add(hosts, "a.example", 40)
    number = 0
    while found := links(hosts):
        for link in found:
            assert link.unasked is None
            number += 1
            if number % MOST_SILENCES:
                hosts.failed(link, FetchFailed("timeout"))
            else:
                hosts.answered(link)
    assert number == 40


def test_whoever_waits_gets_what_comes_and_leaves_at_the_end() -> None:
    hosts = Hosts(at_once=1, longest_pause=60)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(hosts.take) for _ in range(3)]
        hosts.add("http://a.example/1.jpg", 1)
        hosts.add("http://a.example/2.jpg", 2)
        threading.Timer(0.3, hosts.close).start()
        taken = [each.result(10) for each in waiting]
    assert sorted(link.number for link in taken if link) == [1]  # one of a host at once


def test_hosts_that_are_well_and_done_with_are_forgotten(hosts: Hosts) -> None:
    for number in range(1000):
        add(hosts, f"h{number}.example", 2)
    add(hosts, "silent.example", 2)
    while found := links(hosts):
        for link in found:
            if link.host.name == "silent.example":
                hosts.failed(link, FetchFailed("connection"))
            else:
                hosts.answered(link)
    assert set(hosts._hosts) == {"silent.example"}
