from relaylab.lab.live import LiveRun


class VirtualRun(LiveRun):
    pass
