-- KEYS: epoch, key...   ARGV: run id, lease in ms, then a token and a flag for each key: '1' if the caller could not read
-- the entry that is there.
-- Answers for each key: the entry, or 1 = the lease is yours, 2 = another fetches it, 3 = a write is in flight.
local failed = epoch_error(call('GET', KEYS[1]))
if failed then
  return failed
end
local now, answers = now_micros(), {}
for i = 2, #KEYS do
  local key, token, unreadable = KEYS[i], ARGV[2 * i - 1], ARGV[2 * i] == '1'
  local value = pcall_redis('GET', key)
  local state = state_of(value)
  local answer = 1
  if (state == 'V' or state == 'N') and not unreadable then
    answer = value
  elseif state == 'L' and value ~= 'KL' .. token then
    answer = 2
  elseif state == 'M' and others(value, '', now) ~= '' then
    answer = 3
  end
  if answer == 1 then
    call('SET', key, 'KL' .. token, 'PX', ARGV[2])
  end
  answers[i - 1] = answer
end
return answers
