"""The searches against devices that are made up."""

import random
import unittest

import search
from search import Plan, Trial

LINE_PPS = 1000000.0


class Device:
    """Passes what it can, capacity in percent of line rate; counts how often it was asked."""

    def __init__(self, capacity, generator=100.0, stray=0, noise=None):
        self.capacity, self.generator, self.stray, self.noise = capacity, generator, stray, noise
        self.loads = []

    def __call__(self, percent, seconds):
        self.loads.append((percent, seconds))
        asked = int(LINE_PPS * percent / 100 * seconds)
        sent = min(asked, int(LINE_PPS * self.generator / 100 * seconds))
        received = min(sent, int(LINE_PPS * self.capacity / 100 * seconds)) + self.stray
        if self.noise:
            received -= self.noise(percent, seconds)
        return Trial(percent, seconds, asked, sent, received)


class ThroughputTest(unittest.TestCase):
    def test_the_load_at_which_a_device_begins_to_lose_is_found(self):
        for capacity in (0.7, 3.0, 37.3, 62.5, 99.2):
            with self.subTest(capacity):
                found = search.throughput(Device(capacity), Plan())
                self.assertLessEqual(found.percent, capacity)
                self.assertGreater(found.percent, capacity - 0.5)
                self.assertEqual(found.limited_by, "device")
                self.assertTrue(found.confirmed)

    def test_a_device_that_never_loses_gets_line_rate_in_two_trials(self):
        device = Device(200)
        found = search.throughput(device, Plan(seconds=10, confirm=60))
        self.assertEqual((found.percent, found.limited_by), (100, "line"))
        self.assertEqual(device.loads, [(100, 10), (100, 60)])

    def test_a_device_that_always_loses_has_no_throughput(self):
        found = search.throughput(Device(0), Plan())
        self.assertIsNone(found.percent)
        self.assertEqual(found.limited_by, "device")
        self.assertFalse(found.confirmed)
        self.assertLess(len(found.trials), 12)

    def test_the_result_is_the_long_trial(self):
        found = search.throughput(Device(50), Plan(seconds=1, confirm=60))
        self.assertEqual(found.trial.seconds, 60)
        self.assertEqual(found.trial.percent, found.percent)

    def test_what_only_short_trials_pass_is_not_the_result(self):
        # A buffer hides an overload of 10 percent for as long as a short trial takes.
        device = Device(55, noise=lambda percent, seconds: 0)
        real = 45
        device.noise = lambda percent, seconds: 1000 if seconds > 10 and percent > real else 0
        found = search.throughput(device, Plan())
        self.assertTrue(found.confirmed)
        self.assertLessEqual(found.percent, real)
        self.assertGreater(found.percent, 0)

    def test_one_frame_lost_is_a_loss(self):
        device = Device(200, noise=lambda percent, seconds: 1 if percent > 30 else 0)
        found = search.throughput(device, Plan())
        self.assertLessEqual(found.percent, 30)
        self.assertGreater(found.percent, 29)

    def test_noise_within_the_tolerance_is_none(self):
        chance = random.Random(1)
        device = Device(70, noise=lambda percent, seconds: chance.randrange(0, 20))
        found = search.throughput(device, Plan(tolerance=0.0001))
        self.assertGreater(found.percent, 69)
        self.assertLessEqual(found.percent, 70.1)

    def test_with_retries_a_trial_that_was_unlucky_does_not_count(self):
        failures = iter([1, 0, 1, 0] + [0] * 100)
        device = Device(100, noise=lambda percent, seconds: next(failures))
        found = search.throughput(device, Plan(retries=1))
        self.assertEqual(found.percent, 100)
        self.assertTrue(found.confirmed)
        self.assertEqual(len(found.trials), 4)

    def test_random_loss_ends_the_search_all_the_same(self):
        for seed in range(50):
            chance = random.Random(seed)
            device = Device(80, noise=lambda percent, seconds: chance.choice((0, 0, 0, 5)))
            found = search.throughput(device, Plan())
            self.assertLess(len(found.trials), 200)
            if found.percent is not None:
                self.assertLessEqual(found.percent, 80)
                self.assertEqual(search.loss(found.trial), 0)

    def test_the_generator_is_named_when_it_is_what_limits(self):
        found = search.throughput(Device(100, generator=60), Plan())
        self.assertEqual(found.limited_by, "generator")
        self.assertEqual(found.trial.sent, 36000000)

    def test_frames_of_others_do_not_make_the_loss_negative(self):
        found = search.throughput(Device(100, stray=3), Plan())
        self.assertEqual(search.loss(found.trial), 0)

    def test_no_load_outside_the_limits_is_tried(self):
        device = Device(95)
        found = search.throughput(device, Plan(low=10, high=40))
        self.assertEqual(found.percent, 40)
        device = Device(5)
        self.assertIsNone(search.throughput(device, Plan(low=10, high=40)).percent)
        self.assertTrue(all(10 <= p <= 40 for p, _ in device.loads))

    def test_a_generator_that_sent_nothing_lost_everything(self):
        self.assertEqual(search.loss(Trial(1, 1, 100, 0, 0)), 1)

    def test_a_plan_that_makes_no_sense_is_refused(self):
        for wrong in ({"low": 50, "high": 50}, {"high": 101}, {"resolution": 0}, {"tolerance": 1}, {"retries": -1},
                      {"seconds": 0}):
            with self.subTest(wrong):
                self.assertRaises(ValueError, Plan, **wrong)


class FrameLossTest(unittest.TestCase):
    def test_it_goes_down_until_two_loads_lose_nothing(self):
        device = Device(65)
        trials = search.frame_loss(device, Plan())
        self.assertEqual([t.percent for t in trials], [100, 90, 80, 70, 60, 50])

    def test_a_device_that_never_loses_is_tried_twice(self):
        self.assertEqual(len(search.frame_loss(Device(100), Plan())), 2)

    def test_a_device_that_always_loses_is_tried_down_to_the_last_step(self):
        self.assertEqual([t.percent for t in search.frame_loss(Device(0), Plan())], list(range(100, 0, -10)))

    def test_steps_are_at_most_ten_percent(self):
        self.assertRaises(ValueError, search.frame_loss, Device(1), Plan(), 20)


class LoadsTest(unittest.TestCase):
    def test_loads_are_shares_of_the_base(self):
        device = Device(100)
        search.at_loads(device, 80, (0.1, 0.5, 1), 5)
        self.assertEqual(device.loads, [(8, 5), (40, 5), (80, 5)])


if __name__ == "__main__":
    unittest.main()
