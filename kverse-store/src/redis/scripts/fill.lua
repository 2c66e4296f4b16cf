-- KEYS: epoch, key...   ARGV: run id, longest ms of an entry, of an absence, then a token and V or N for each key; '' gives
-- the lease back. Answers 1 for each key that was filled, else 0.
local failed = epoch_error(call('GET', KEYS[1]))
if failed then
  return failed
end
local now = now_micros()
local filled = {}
for i = 2, #KEYS do
  filled[i - 1] = 0
  local key, token, payload = KEYS[i], ARGV[2 * i], ARGV[2 * i + 1]
  if pcall_redis('GET', key) == 'KL' .. token then
    if payload == '' then
      call('DEL', key)
    else
      store(key, payload, now, tonumber(ARGV[2]), tonumber(ARGV[3]))
      filled[i - 1] = 1
    end
  end
end
return filled
