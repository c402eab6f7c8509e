-- Tests of the search, the traffic, the JSON and, with a pktgen that is made up, of the measurements. Run it in its folder:
-- lua5.4 search_test.lua. It prints lines like Go's tests and ends with 1 if one fails.

package.path = "./?.lua;" .. package.path

local device = require "device"
local json = require "json"
local measure = require "measure"
local search = require "search"
local traffic = require "traffic"

local tests, order = {}, {}
setmetatable(tests, {__newindex = function(_, name, body) order[#order + 1] = {name = name, body = body} end})

local function equal(got, want, what)
    if got ~= want then error(string.format("%s: is %s, not %s", what or "value", tostring(got), tostring(want)), 2) end
end

local function check(condition, what) if not condition then error(what, 2) end end

local function refused(body, text)
    local ok, err = pcall(body)
    check(not ok, "was not refused")
    check(tostring(err):find(text, 1, true), "the error is: " .. tostring(err))
end

-- made_up is a device that passes capacity percent of line rate; noise(percent, seconds) frames more get lost.
local function made_up(capacity, noise, generator)
    local loads = {}
    return function(percent, seconds)
        loads[#loads + 1] = percent
        local asked = math.floor(1e6 * percent / 100 * seconds)
        local sent = math.min(asked, math.floor(1e6 * (generator or 100) / 100 * seconds))
        local received = math.min(sent, math.floor(1e6 * capacity / 100 * seconds)) - (noise and noise(percent, seconds) or 0)
        return {percent = percent, seconds = seconds, asked = asked, sent = sent, received = received}
    end, loads
end

function tests.the_load_at_which_a_device_begins_to_lose_is_found()
    for _, capacity in ipairs {0.7, 3, 37.3, 62.5, 99.2} do
        local found = search.throughput(made_up(capacity), search.plan())
        check(found.percent <= capacity and found.percent > capacity - 0.5, capacity .. " was found as " .. found.percent)
        equal(found.limited_by, "device")
        check(found.confirmed, "not confirmed")
    end
end

function tests.a_device_that_never_loses_gets_line_rate_in_two_trials()
    local found = search.throughput(made_up(200), search.plan())
    equal(found.percent, 100)
    equal(found.limited_by, "line")
    equal(#found.trials, 2)
    equal(found.trial.seconds, 60)
end

function tests.a_device_that_always_loses_has_no_throughput()
    local found = search.throughput(made_up(0), search.plan())
    equal(found.percent, nil)
    check(#found.trials < 12, "too many trials")
end

function tests.what_only_short_trials_pass_is_not_the_result()
    local run = made_up(55, function(percent, seconds) return seconds > 10 and percent > 45 and 1000 or 0 end)
    local found = search.throughput(run, search.plan())
    check(found.confirmed and found.percent <= 45, "is " .. tostring(found.percent))
end

function tests.noise_within_the_tolerance_is_none()
    local found = search.throughput(made_up(70, function() return 9 end), search.plan {tolerance = 0.0001})
    check(found.percent > 69 and found.percent <= 70.1, "is " .. tostring(found.percent))
end

function tests.random_loss_ends_the_search_all_the_same()
    for seed = 1, 50 do
        math.randomseed(seed)
        local run = made_up(80, function() return math.random(4) == 1 and 5 or 0 end)
        local found = search.throughput(run, search.plan())
        check(#found.trials < 200, "too many trials")
        if found.percent then equal(search.loss(found.trial), 0) end
    end
end

function tests.with_retries_a_trial_that_was_unlucky_does_not_count()
    local n = 0
    local run = made_up(100, function() n = n + 1 return n % 2 end)
    equal(search.throughput(run, search.plan {retries = 1}).percent, 100)
end

function tests.the_generator_is_named_when_it_is_what_limits()
    equal(search.throughput(made_up(100, nil, 60), search.plan()).limited_by, "generator")
end

function tests.frame_loss_goes_down_until_two_loads_lose_nothing()
    local run, loads = made_up(65)
    search.frame_loss(run, search.plan(), 10)
    equal(#loads, 6)
    equal(loads[6], 50)
end

function tests.a_plan_that_makes_no_sense_is_refused()
    refused(function() search.plan {low = 50, high = 50} end, "low < high")
    refused(function() search.plan {resolution = 0} end, "resolution")
    refused(function() search.plan {tolerance = 1} end, "tolerance")
    refused(function() search.plan {speed = 1} end, "has no speed")
    refused(function() search.frame_loss(made_up(1), search.plan(), 20) end, "at most 10")
end

function tests.line_rates_are_ethernets()
    equal(math.floor(traffic.line_pps(10, 64)), 14880952)
    equal(math.floor(traffic.line_pps(100, 1518)), 8127438)
    check(math.abs(traffic.gbps(traffic.line_pps(25, 512), 512) - 25) < 1e-9, "not 25")
end

function tests.all_flows_come_up_before_one_comes_again()
    for _, flows in ipairs {1, 2, 3, 4, 100, 1000, 10000} do
        local addresses, ports = traffic.spread(flows)
        check(addresses * ports >= flows and addresses * ports <= flows * 1.1 + 3, "not " .. flows)
        local seen, n = {}, 0
        for i = 0, addresses * ports - 1 do
            local key = i % addresses .. " " .. i % ports
            if not seen[key] then seen[key], n = true, n + 1 end
        end
        equal(n, addresses * ports)
    end
end

function tests.addresses_carry_over()
    equal(traffic.ipv4("198.18.16.1", 255), "198.18.17.0")
    equal(traffic.ipv4("16.0.0.0", 2 ^ 28 - 1), "31.255.255.255")
    refused(function() traffic.ipv4("2001:2::1", 1) end, "not an IPv4 address")
end

function tests.json_is_json()
    equal(json.encode {b = {1, 2.5, true}, a = 'a "b"\n', c = json.list()},
        '{"a": "a \\"b\\"\\n", "b": [1, 2.5, true], "c": []}')
    refused(function() json.encode(0 / 0) end, "JSON has no")
end

-- fake_pktgen passes capacity frames a second; new tells whether its API is that of the newest versions.
local function fake_pktgen(capacity, new)
    local pg, calls = {range = {}}, {}
    local rate, size, sent, received, running = 0, 0, 0, 0, 0
    local function note(name) return function(...) calls[#calls + 1] = name .. " " .. table.concat({...}, " ") end end
    for _, name in ipairs {"screen", "stop", "set_mac", "set_proto", "set_range", "set_ipaddr", "latency", "run"} do
        pg[name] = note(name)
    end
    for _, name in ipairs {"dst_mac", "src_ip", "dst_ip", "src_port", "dst_port", "ip_proto", "pkt_size"} do
        pg.range[name] = note("range." .. name)
    end
    function pg.set(port, what, value)
        calls[#calls + 1] = table.concat({"set", port, what, value}, " ")
        if what == "rate" then rate = value elseif what == "size" then size = value end
    end
    function pg.linkState(port) return {n = 1, [tonumber(port)] = "<UP-10000-FD>"} end
    function pg.clr() sent, received = 0, 0 end
    function pg.start() running = 1 end
    function pg.delay(ms)
        local pps = traffic.line_pps(10, size) * rate / 100
        if ms > 100 then
            sent, received = sent + running * pps * ms / 1000, received + running * math.min(pps, capacity) * ms / 1000
        end
        sent, received = math.floor(sent), math.floor(received)
    end
    function pg.stop() running = 0 end
    function pg.portStats(port, kind)
        if new and kind then error("portStats, wrong number of arguments") end
        local one = {opackets = port == "0" and sent or 0, ipackets = port == "1" and received or 0}
        return {n = 1, [tonumber(port)] = new and {curr = one} or one}
    end
    if new then pg.set_tcp_flags = note("set_tcp_flags") else
        function pg.pktStats(port)
            return {n = 1, [tonumber(port)] = {latency = {num_pkts = 7, min_us = 3.5, avg_us = 4, max_us = 9}}}
        end
    end
    return pg, calls
end

local function settings(given)
    return device.settings(function(name) return name == "WEIR_MAC" and "02:00:00:00:00:01" or (given or {})[name] end)
end

function tests.the_no_drop_rate_is_found_with_old_and_new_versions_of_pktgen()
    for _, new in ipairs {false, true} do
        local d = device.open(fake_pktgen(5e6, new), settings {WEIR_SETTLE = "0"})
        local small, large = table.unpack(measure.ndr(d, {64, 1518}))
        check(small.pps <= 5e6 and small.pps > 4.9e6, "is " .. small.pps)
        equal(small.limited_by, "device")
        equal(large.limited_by, "line")
        check(math.abs(large.gbps - 10) < 0.01, "is " .. large.gbps)
    end
end

function tests.both_sizes_are_set_because_rates_come_from_the_single_packets()
    local pg, calls = fake_pktgen(1e6)
    device.open(pg, settings()):size(512)
    local all = table.concat(calls, "\n")
    for _, call in ipairs {"set 0 size 512", "range.pkt_size 0 start 512", "range.pkt_size 0 max 512"} do
        check(all:find(call, 1, true), call .. " is missing")
    end
end

function tests.flows_are_a_range_of_addresses_and_one_of_ports()
    local pg, calls = fake_pktgen(1e6)
    local d = device.open(pg, settings {WEIR_FLOWS = "1000"})
    equal(d.flows, 31 * 33)
    local all = table.concat(calls, "\n")
    for _, call in ipairs {"range.src_ip 0 min 198.18.16.1", "range.src_ip 0 max 198.18.16.33", "range.src_ip 0 inc 0.0.0.1",
                           "range.src_port 0 max 1054", "range.dst_ip 0 inc 0.0.0.0", "set_range 0 on",
                           "range.dst_mac 0 start 02:00:00:00:00:01"} do
        check(all:find(call, 1, true), call .. " is missing")
    end
end

function tests.tcp_flows_are_made_known_with_syns()
    for new, want in pairs {[false] = "range 0 tcp flag set syn", [true] = "range 0 tcp flags syn"} do
        local pg = fake_pktgen(1e6, new)
        local commands = {}
        function pg.run(kind, file)
            equal(kind, "cmd")
            for line in io.lines(file) do commands[#commands + 1] = line end
        end
        local d = device.open(pg, settings {WEIR_PROTOCOL = "tcp"})
        d:size(64)
        commands = {}
        d:trial(1, 1)
        local all = table.concat(commands, "\n")
        check(all:find(want, 1, true) and all:find("ack$"), all)
    end
end

function tests.latency_is_measured_where_pktgen_tells_it()
    local d = device.open(fake_pktgen(5e6), settings())
    local point = measure.latency(d, {64}, {50})[1].points[1]
    equal(point.us.mean, 4)
    equal(point.share, 0.5)
    refused(function() measure.latency(device.open(fake_pktgen(5e6, true), settings()), {64}, {50}) end, "use TRex")
end

function tests.a_flood_reports_what_was_forwarded()
    local d = device.open(fake_pktgen(5e6), settings {WEIR_PROTOCOL = "tcp"})
    local points = measure.synflood(d, {64}, {10, 100})[1].points
    equal(points[1].loss, 0)
    check(math.abs(points[2].forwarded_pps / 5e6 - 62 / 60) < 0.1, "is " .. points[2].forwarded_pps)
end

function tests.line_rate_in_a_tunnel_is_that_of_the_link_behind()
    local d = device.open(fake_pktgen(1e9), settings {WEIR_OUTER = "20"})
    local result = measure.ndr(d, {64})[1]
    equal(math.floor(result.line_pps), math.floor(10e9 / 8 / 104))
    equal(result.limited_by, "line")
end

function tests.a_result_has_the_format_of_the_chart()
    local d = device.open(fake_pktgen(5e6), settings())
    local doc = measure.document("ndr", d, "Pktgen 23.03.0", measure.ndr(d, {64}))
    equal(doc.format, "weir-nic/1")
    equal(doc.label, "UDP, IPv4, 10100 flows")
    json.encode(doc)
end

function tests.what_cannot_be_is_refused()
    refused(function() device.settings(function() end) end, "WEIR_MAC")
    refused(function() settings {WEIR_FLOWS = "many"} end, "WEIR_FLOWS must be a number")
    refused(function() settings {WEIR_FLOWS = "1000000"} end, "no frames for more")
    refused(function() device.numbers("64,big") end, "big in 64,big is not a number")
    local pg = fake_pktgen(1)
    function pg.linkState(port) return {[tonumber(port)] = "<--Down-->"} end
    refused(function() device.open(pg, settings()) end, "is the cable in it?")
end

local failed, say = 0, print
print = function() end -- the trials' lines
for _, test in ipairs(order) do
    local ok, err = pcall(test.body)
    if not ok then failed = failed + 1 end
    say(string.format("--- %s: %s", ok and "PASS" or "FAIL", test.name))
    if not ok then say("    " .. tostring(err)) end
end
os.exit(failed == 0 and 0 or 1)
