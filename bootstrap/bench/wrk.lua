-- What wrk sends, from two files that the bench writes: `arg 1` has what all requests have in common, as a Lua table,
-- `arg 2`, where there is one, a line "bearer id" for each subject. The last line of the output is the result.
local parts, subjects, turn, number

function init(args)
    parts, turn, number = dofile(args[1]), 0, 0
    if args[2] then subjects = io.lines(args[2]) end
end

function request()
    local bearer, subject = turn + 1, ""
    turn = (turn + 1) % #parts.middles
    if subjects then
        local line = subjects()
        if line == nil then
            -- Nobody is left to be asked about; what is sent last is the first subject's request of before again.
            wrk.thread:stop()
            return last
        end
        local at, id = line:match("(%d+) (.+)")
        bearer, subject = at + 1, id
    end
    local key = ""
    if parts.key ~= "" then
        key = parts.key .. number .. "\r\n"
        number = number + 1
    end
    last = parts.start .. subject .. parts.middles[bearer] .. key .. parts.finish
    return last
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"answers":%d,"took_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d,"cpu_us":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, os.clock() * 1000000
    ))
end
