from collections.abc import Callable

from hedgerow.cloud.app.anchors import AllAnchors
from hedgerow.cloud.iot import DirectoryChange
from hedgerow.pki import Trust

NEWS = DirectoryChange(frozenset({"a"}), frozenset({"b"}), anchors_changed=False)


class Source:
    """One account's anchors, changed by the test."""

    def __init__(self, *anchors: str) -> None:
        self.anchors = anchors
        self.listeners: list[Callable[[DirectoryChange], None]] = []

    def trust_anchors(self) -> Trust:
        return Trust(authorities=self.anchors[:1], exact=self.anchors[1:])

    def on_change(self, listener: Callable[[DirectoryChange], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)


def test_the_anchors_of_all_accounts_are_trusted_each_once() -> None:
    anchors = AllAnchors()
    anchors.add("1", Source("ours", "foreign one"))
    anchors.add("2", Source("ours", "foreign two"))
    assert anchors.trust_anchors() == Trust(
        authorities=("ours",), exact=("foreign one", "foreign two")
    )


def test_a_door_hears_of_changes_in_every_account_and_of_accounts_that_come_and_go() -> None:
    anchors, heard = AllAnchors(), list[DirectoryChange]()
    stop = anchors.on_change(heard.append)
    source = Source("foreign")
    anchors.add("1", source)
    assert heard.pop().anchors_changed
    source.listeners[0](NEWS)
    assert heard.pop() is NEWS
    anchors.remove("1")
    assert heard.pop().anchors_changed
    assert source.listeners == []
    assert anchors.trust_anchors() == Trust()
    stop()
    anchors.add("2", source)
    assert heard == []
