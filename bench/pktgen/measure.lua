-- The measurements, and the result file that ../chart/chart.py draws.

local json = require "json"
local search = require "search"

local measure = {}

local function described(trial)
    return {percent = trial.percent, seconds = trial.seconds, pps = trial.sent / trial.seconds, sent = trial.sent,
            received = trial.received, loss = search.loss(trial)}
end

local function each(list, make)
    local out = json.list()
    for i, one in ipairs(list) do out[i] = make(one) end
    return out
end

local function plan(s)
    return search.plan {high = s.max_load, resolution = s.resolution, tolerance = s.tolerance, retries = s.retries,
                        seconds = s.search_duration, confirm = s.duration}
end

local function throughput(d)
    return search.throughput(function(percent, seconds) return d:trial(percent, seconds) end, plan(d.s))
end

-- ndr is the no-drop rate of every size: RFC 2544 section 26.1.
function measure.ndr(d, sizes)
    return each(sizes, function(size)
        d:size(size)
        local found = throughput(d)
        local pps = found.trial and found.trial.sent / found.trial.seconds or 0
        print(string.format("%5d bytes: %.3f Mpps without loss, limited by the %s", size, pps / 1e6, found.limited_by))
        return {size = size, line_pps = d:line_pps(), percent = found.percent or 0, pps = pps,
                gbps = d.gbps * pps / d:line_pps(), limited_by = found.limited_by, confirmed = found.confirmed,
                trials = each(found.trials, described)}
    end)
end

-- loss is the loss at every load: RFC 2544 section 26.3.
function measure.loss(d, sizes)
    return each(sizes, function(size)
        d:size(size)
        local p = plan(d.s)
        p.seconds = d.s.duration
        local trials = search.frame_loss(function(percent, seconds) return d:trial(percent, seconds) end, p, 10)
        return {size = size, line_pps = d:line_pps(), points = each(trials, described)}
    end)
end

-- synflood is shares of line rate in SYNs, each from another source.
function measure.synflood(d, sizes, loads)
    d.s.learn_seconds = 0
    d:flood()
    return each(sizes, function(size)
        d:size(size)
        return {size = size, line_pps = d:line_pps(), points = each(loads, function(percent)
            local trial = d:trial(percent, d.s.duration)
            local point = described(trial)
            point.forwarded_pps = trial.received / trial.seconds
            return point
        end)}
    end)
end

-- latency is at percentages of the no-drop rate; pktgen knows the least, the mean and the greatest.
function measure.latency(d, sizes, loads)
    if not d.pg.pktStats then
        error("this version of pktgen does not tell Lua the latency (there is no pktgen.pktStats): use TRex", 0)
    end
    return each(sizes, function(size)
        d:size(size)
        local base = throughput(d).percent or 0
        d.pg.latency(d.tx, "enable")
        d.pg.latency(d.rx, "enable")
        local points = each(base > 0 and loads or {}, function(load)
            local trial = d:trial(base * load / 100, d.s.duration)
            local lat = d.pg.pktStats(d.rx)[tonumber(d.rx)].latency
            local point = described(trial)
            point.share = load / 100
            if lat.num_pkts > 0 then
                -- Version 23.03 computes the mean only while its latency page is on the screen.
                local mean = lat.avg_us > 0 and lat.avg_us or nil
                point.us = {samples = lat.num_pkts, min = lat.min_us, mean = mean, max = lat.max_us}
            end
            return point
        end)
        d.pg.latency(d.tx, "disable")
        d.pg.latency(d.rx, "disable")
        return {size = size, line_pps = d:line_pps(), base_percent = base, points = points}
    end)
end

-- document is the whole result file.
function measure.document(mode, d, version, results)
    local s, settings = d.s, {flows = d.flows}
    for _, key in ipairs {"target", "port", "protocol", "duration", "search_duration", "resolution", "retries", "outer"} do
        settings[key] = s[key]
    end
    settings.loss_tolerance = s.tolerance
    local label = s.label
    if label == "" then
        label = mode == "synflood" and "SYN flood, IPv4" or string.format("%s, IPv4, %d flows", s.protocol:upper(), d.flows)
    end
    return {format = "weir-nic/1", generator = {name = "pktgen", version = version}, mode = mode, label = label,
            time = os.date("!%Y-%m-%dT%H:%M:%SZ"), link_gbps = d.gbps, settings = settings, results = results}
end

return measure
