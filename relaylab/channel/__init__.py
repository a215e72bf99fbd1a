"""Channels: one buffer a CPU, cut into sub-buffers, and what a client does with them."""

from relaylab.channel.buffer import ChannelBuffer
from relaylab.channel.callbacks import Callbacks
from relaylab.channel.channel import Channel
from relaylab.channel.observing import Snapshot, Stats
from relaylab.channel.slot import Slot

__all__ = ["Callbacks", "Channel", "ChannelBuffer", "Slot", "Snapshot", "Stats"]
