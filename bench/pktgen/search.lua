-- RFC 2544's searches, without any generator: what they need is a function that makes one trial,
-- run(percent, seconds) -> {percent, seconds, asked, sent, received}, with percent of line rate and the others in frames.
-- asked is what that load is in frames: a generator that cannot send as much sends less.

local search = {}

-- A generator that sends this share of what it was asked for is taken to have sent all of it.
local full = 0.99

local defaults = {low = 0, high = 100, resolution = 0.5, tolerance = 0, retries = 0, seconds = 10, confirm = 60}

-- plan completes and checks how to search: loads in percent of line rate, times in seconds.
function search.plan(given)
    local plan = {}
    for key, value in pairs(defaults) do plan[key] = value end
    for key, value in pairs(given or {}) do
        if defaults[key] == nil then error("a search has no " .. key, 2) end
        plan[key] = value
    end
    if not (0 <= plan.low and plan.low < plan.high and plan.high <= 100) then
        error(string.format("the loads must be 0 <= low < high <= 100, are %g and %g", plan.low, plan.high), 2)
    end
    if plan.resolution <= 0 then error("the resolution must be more than 0", 2) end
    if plan.tolerance < 0 or plan.tolerance >= 1 then error("the loss tolerance must be from 0 to less than 1", 2) end
    if plan.retries < 0 then error("the retries must be at least 0", 2) end
    if plan.seconds <= 0 or plan.confirm < 0 then error("the times of trials must be more than 0", 2) end
    return plan
end

-- loss is the share of frames that did not arrive. Frames of others that arrived as well do not make it negative.
function search.loss(trial)
    if trial.sent <= 0 then return 1 end
    return math.max(0, (trial.sent - trial.received) / trial.sent)
end

-- throughput is RFC 2544 section 26.1: the highest load that passes, found by halving. What was found with short trials has to
-- pass a long one, plan.confirm seconds; if it does not, the search goes on below it. Returns percent and trial (nil if
-- nothing passed), limited_by (line, generator, device), confirmed and trials.
function search.throughput(run, plan)
    local trials, passed = {}, {} -- passed: short trials by their load

    local function try(percent, seconds)
        for _ = 0, plan.retries do
            local trial = run(percent, seconds)
            trials[#trials + 1] = trial
            if search.loss(trial) <= plan.tolerance then return trial end
        end
        return nil
    end

    -- The highest load that passes a short trial and is lower than high, which does not; nil if there is none.
    local function highest_below(high)
        local low = plan.low
        for percent in pairs(passed) do
            if percent < high and percent > low then low = percent end
        end
        while high - low > plan.resolution do
            local middle = (low + high) / 2
            local trial = try(middle, plan.seconds)
            if trial then
                low, passed[middle] = middle, trial
            else
                high = middle
            end
        end
        return passed[low] and low or nil
    end

    local function found(percent, trial, confirmed)
        local limit = percent >= 100 and "line" or "device"
        if trial.sent < full * trial.asked then limit = "generator" end
        return {percent = percent, trial = trial, limited_by = limit, confirmed = confirmed, trials = trials}
    end

    local percent = plan.high
    local trial = try(percent, plan.seconds)
    if trial then passed[percent] = trial else percent = highest_below(percent) end
    while percent do
        if plan.confirm == 0 then return found(percent, passed[percent], false) end
        trial = try(percent, plan.confirm)
        if trial then return found(percent, trial, true) end
        percent = highest_below(percent)
    end
    return {limited_by = "device", confirmed = false, trials = trials}
end

-- frame_loss is RFC 2544 section 26.3: from full load downwards, until two loads in a row lose nothing.
function search.frame_loss(run, plan, step)
    if not (0 < step and step <= 10) then error("the steps of the load must be more than 0 and at most 10 percent", 2) end
    local trials, clean, n = {}, 0, 0
    while true do
        local percent = plan.high - n * step
        if percent <= math.max(plan.low, 1e-9) or clean == 2 then return trials end
        local trial = run(percent, plan.seconds)
        trials[#trials + 1] = trial
        clean = (trial.sent > 0 and trial.received >= trial.sent) and clean + 1 or 0
        n = n + 1
    end
end

return search
