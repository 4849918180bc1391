"""Drives paho-mqtt against the server on the port given: a round trip in each version, checked by assertions."""

import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PORT = int(sys.argv[1])
LIMIT = 10


class Peer:
    """A client with its network thread, whose news wait in queues."""

    def __init__(self, version, client_id, clean=True, **settings):
        self.version = version
        self.connected, self.messages = queue.Queue(), queue.Queue()
        self.subscribed, self.unsubscribed = queue.Queue(), queue.Queue()
        clean_session = clean if version == mqtt.MQTTv311 else None
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id, clean_session=clean_session, protocol=version
        )
        self.client.on_connect = lambda c, u, flags, reason, p: self.connected.put((flags, reason, p))
        self.client.on_message = lambda c, u, message: self.messages.put(message)
        self.client.on_subscribe = lambda c, u, mid, reasons, p: self.subscribed.put([r.value for r in reasons])
        self.client.on_unsubscribe = lambda c, u, mid, reasons, p: self.unsubscribed.put([r.value for r in reasons])
        if "will" in settings:
            self.client.will_set(**settings["will"])
        arguments = {}
        if version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            if not clean:
                properties.SessionExpiryInterval = 1000
            arguments = {"clean_start": clean, "properties": properties}
        self.client.connect("127.0.0.1", PORT, **arguments)
        self.client.loop_start()
        self.flags, reason, self.properties = self.connected.get(timeout=LIMIT)
        assert reason.value == 0, reason

    def subscribe(self, filters):
        self.client.subscribe(filters)
        return self.subscribed.get(timeout=LIMIT)

    def publish(self, topic, payload, qos, retain=False, properties=None):
        info = self.client.publish(topic, payload, qos, retain, properties)
        info.wait_for_publish(LIMIT)
        assert info.is_published()

    def hear(self):
        message = self.messages.get(timeout=LIMIT)
        return message.topic, message.payload, message.qos, bool(message.retain)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

    def vanish(self):
        """No goodbye."""
        self.client.loop_stop()
        self.client.socket().close()


def check(version):
    five = version == mqtt.MQTTv5
    lasting = f"lasting-{version}"
    peer = Peer(version, "peer")
    assert peer.subscribe([("a/+", 2), ("a/#", 1), ("b", 0)]) == [2, 1, 0]
    for qos in (0, 1, 2):
        peer.publish("a/x", b"\x00\xff" * 10, qos)
        assert peer.hear() == ("a/x", b"\x00\xff" * 10, qos, False)
    peer.publish("a/big", bytes(1_000_000), 2)
    assert peer.hear() == ("a/big", bytes(1_000_000), 2, False)

    # Many at once: more than paho's own window of 20.
    infos = [peer.client.publish("a/n", str(n), 1 + n % 2) for n in range(1000)]
    for info in infos:
        info.wait_for_publish(LIMIT)
    heard = [peer.hear() for _ in infos]
    for qos in (1, 2):
        assert [int(p) for _, p, q, _ in heard if q == qos] == list(range(qos - 1, 1000, 2))

    peer.client.unsubscribe(["a/+", "none"])
    reasons = peer.unsubscribed.get(timeout=LIMIT)
    assert not five or reasons == [0, 0x11], reasons

    # Retained, and what comes with it.
    properties = None
    if five:
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = [("k", "2"), ("k", "1")]
        properties.ContentType = "text/plain"
    peer.publish("kept", "state", 1, retain=True, properties=properties)
    assert peer.subscribe([("kept", 1)]) == [1]
    message = peer.messages.get(timeout=LIMIT)
    assert message.retain and message.payload == b"state"
    if five:
        assert message.properties.UserProperty == [("k", "2"), ("k", "1")], message.properties
        assert message.properties.ContentType == "text/plain"

    # A will, and a session that stays.
    assert peer.subscribe([("wills", 2)]) == [2]
    lost = Peer(version, lasting, clean=False, will={"topic": "wills", "payload": "gone", "qos": 2})
    assert not lost.flags.session_present
    assert lost.subscribe([("later/#", 2)]) == [2]
    lost.vanish()
    assert peer.hear() == ("wills", b"gone", 2, False)
    for n in range(10):
        peer.publish("later/x", str(n), 2)
    back = Peer(version, lasting, clean=False)
    assert back.flags.session_present
    assert [back.hear()[1] for _ in range(10)] == [str(n).encode() for n in range(10)]

    # Taken over.
    taken = queue.Queue()
    back.client.on_disconnect = lambda c, u, flags, reason, p: taken.put(reason)
    back.client._reconnect_on_failure = False
    again = Peer(version, lasting, clean=False)
    reason = taken.get(timeout=LIMIT)
    assert not five or reason.value == 0x8E, reason
    again.leave()
    peer.leave()


for version in (mqtt.MQTTv311, mqtt.MQTTv5):
    check(version)
print("all well")
