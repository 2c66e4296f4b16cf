-- KEYS: epoch, key...   ARGV: run id, attempt, lifetime in microseconds
local failed = epoch_error(ARGV[1])
if failed then
  return failed
end
local now = now_micros()
local own = ARGV[2] .. struct.pack('>I8', now + tonumber(ARGV[3]))
for i = 2, #KEYS do
  local key = KEYS[i]
  local state, value = state_of(key)
  local floor, taint = string.rep('\0', 8), '\0'
  local live, dropped = {}, false
  if state == 'V' or state == 'N' then
    floor = string.sub(value, 3, 10)
  elseif state == 'M' then
    floor, taint = string.sub(value, 3, 10), string.sub(value, 11, 11)
    each_attempt(value, function(attempt, deadline)
      if attempt == ARGV[2] then
        return -- renewed
      elseif deadline > now then
        live[#live + 1] = attempt .. struct.pack('>I8', deadline)
      else
        dropped = true
      end
    end)
    -- Those that remain may finish before what the dropped one committed is known.
    if dropped and #live > 0 then
      taint = '\1'
    end
  end
  redis.call('SET', key, 'KM' .. floor .. taint .. table.concat(live) .. own)
end
return redis.status_reply('OK')
