-- What the scripts share. The states of a key, all numbers big-endian:
--   'KV' version(8) expires-at(8, microseconds, 0 = never) length(1) content-type value
--   'KN' version(8)                      nothing is there
--   'KL' token(8)                        a reader fetches the key
--   'KM' floor(8) taint(1) { attempt(8) deadline(8, microseconds) }*    writes are in flight
-- Versions, tokens and attempts have 64 bits, more than a Lua number holds: they stay strings.

local function now_micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- KEYS[1] is there while the epoch lives, and names the Redis process that it was opened on: a restart from a snapshot
-- brings the key back, but not the process.
local function epoch_error(run_id)
  local alive = redis.call('GET', KEYS[1])
  if not alive then
    return redis.error_reply('NOEPOCH the epoch is not known')
  end
  if alive ~= run_id then
    return redis.error_reply('RESTARTED the epoch was opened on another process')
  end
end

-- A string comparison would follow the locale of the server.
local function is_newer(version, other)
  local high, low = struct.unpack('>I4I4', version)
  local other_high, other_low = struct.unpack('>I4I4', other)
  return high > other_high or (high == other_high and low > other_low)
end

-- The state of a key: 'V', 'N', 'L', 'M', or nil if there is none or it is garbage. Another type of value is an error
-- of GET.
local function state_of(key)
  local value = redis.pcall('GET', key)
  if type(value) ~= 'string' then
    return nil
  end
  local state, length = string.sub(value, 1, 2), #value
  if state == 'KV' and length >= 19 and length >= 19 + string.byte(value, 19) then
    return 'V', value
  elseif state == 'KN' and length == 10 then
    return 'N', value
  elseif state == 'KL' and length == 10 then
    return 'L', value
  elseif state == 'KM' and length >= 11 and (length - 11) % 16 == 0 then
    return 'M', value
  end
end

-- Calls visit(attempt, deadline) for each write in flight.
local function each_attempt(marker, visit)
  for at = 12, #marker, 16 do
    visit(string.sub(marker, at, at + 7), (struct.unpack('>I8', marker, at + 8)))
  end
end

-- Stores V or N, for as long as the entry lasts and is worth keeping. What does not fit into the memory is not stored.
local function store(key, payload, now, max_entry_ms, max_absent_ms)
  local ttl = max_absent_ms
  if string.sub(payload, 2, 2) == 'V' then
    ttl = max_entry_ms
    local expires_at = struct.unpack('>I8', payload, 11)
    if expires_at > 0 then
      ttl = math.min(ttl, math.floor((expires_at - now) / 1000))
    end
  end
  if ttl < 1 or type(redis.pcall('SET', key, payload, 'PX', ttl)['err']) == 'string' then
    redis.call('DEL', key)
  end
end
