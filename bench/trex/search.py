"""RFC 2544's searches, without any generator: what they need is a function that makes one trial."""

import collections

# One trial: asked, sent and received are frames, seconds is how long was sent, percent is the load of line rate. asked is
# what that load is in frames: a generator that cannot send as much sends less.
Trial = collections.namedtuple("Trial", "percent seconds asked sent received")

# percent and trial are None if no load passed. limited_by: line (full load passed), generator (it sent less than it was
# asked for), device.
Throughput = collections.namedtuple("Throughput", "percent trial limited_by confirmed trials")

# A generator that sends this share of what it was asked for is taken to have sent all of it.
FULL = 0.99


class Plan:
    """How to search: loads in percent of line rate, times in seconds."""

    def __init__(self, low=0.0, high=100.0, resolution=0.5, tolerance=0.0, retries=0, seconds=10.0, confirm=60.0):
        if not 0 <= low < high <= 100:
            raise ValueError("the loads must be 0 <= low < high <= 100, are %g and %g" % (low, high))
        if resolution <= 0:
            raise ValueError("the resolution must be more than 0, is %g" % resolution)
        if not 0 <= tolerance < 1:
            raise ValueError("the loss tolerance must be a share from 0 to less than 1, is %g" % tolerance)
        if retries < 0:
            raise ValueError("the retries must be at least 0, are %d" % retries)
        if seconds <= 0 or confirm < 0:
            raise ValueError("the times of trials must be more than 0")
        self.low, self.high, self.resolution, self.tolerance = low, high, resolution, tolerance
        self.retries, self.seconds, self.confirm = retries, seconds, confirm


def loss(trial):
    """The share of frames that did not arrive. Frames of others that arrived as well do not make it negative."""
    if trial.sent <= 0:
        return 1.0
    return max(0.0, (trial.sent - trial.received) / float(trial.sent))


def throughput(run, plan):
    """RFC 2544 section 26.1: the highest load that passes, found by halving.

    run(percent, seconds) makes a trial. What was found with short trials has to pass a long one, plan.confirm seconds;
    if it does not, the search goes on below it.
    """
    return _Search(run, plan).throughput()


class _Search:
    def __init__(self, run, plan):
        self.run, self.plan = run, plan
        self.trials = []
        self.passed = {}  # the short trials that passed, by their load

    def try_load(self, percent, seconds):
        """The trial that passed, or None."""
        for _ in range(self.plan.retries + 1):
            trial = self.run(percent, seconds)
            self.trials.append(trial)
            if loss(trial) <= self.plan.tolerance:
                return trial
        return None

    def highest_below(self, high):
        """The highest load that passes a short trial and is lower than high, which does not; None if there is none."""
        low = max((p for p in self.passed if p < high), default=self.plan.low)
        while high - low > self.plan.resolution:
            middle = (low + high) / 2.0
            trial = self.try_load(middle, self.plan.seconds)
            if trial:
                low, self.passed[middle] = middle, trial
            else:
                high = middle
        return low if low in self.passed else None

    def throughput(self):
        plan = self.plan
        percent = plan.high
        trial = self.try_load(percent, plan.seconds)
        if trial:
            self.passed[percent] = trial
        else:
            percent = self.highest_below(percent)
        while percent is not None:
            if plan.confirm == 0:
                return self.found(percent, self.passed[percent], False)
            trial = self.try_load(percent, plan.confirm)
            if trial:
                return self.found(percent, trial, True)
            percent = self.highest_below(percent)
        return Throughput(None, None, "device", False, self.trials)

    def found(self, percent, trial, confirmed):
        limit = "line" if percent >= 100 else "device"
        if trial.sent < FULL * trial.asked:
            limit = "generator"
        return Throughput(percent, trial, limit, confirmed, self.trials)


def frame_loss(run, plan, step=10.0):
    """RFC 2544 section 26.3: from full load downwards, until two loads in a row lose nothing."""
    if not 0 < step <= 10:
        raise ValueError("the steps of the load must be more than 0 and at most 10 percent, are %g" % step)
    trials, clean, n = [], 0, 0
    while True:
        percent = plan.high - n * step
        if percent <= max(plan.low, 1e-9) or clean == 2:
            return trials
        trial = run(percent, plan.seconds)
        trials.append(trial)
        clean = clean + 1 if trial.received >= trial.sent > 0 else 0
        n += 1


def at_loads(run, base, shares, seconds):
    """Trials at shares of the load base, as for the latency of RFC 2544 section 26.2."""
    return [run(base * share, seconds) for share in shares]
