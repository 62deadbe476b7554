//! What servers without XSCHEDULE run in its place. The keys are those of the set of tokens by the
//! time they are due, of the hash of their messages, and of the stream.

/// Puts a message where it waits. Tokens sort as the messages were added.
pub(super) const ADD: &str = "\
local kind = redis.call('TYPE', KEYS[3]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value')
end
local time = redis.call('TIME')
local due = tonumber(ARGV[1])
if ARGV[2] == 'DELAY' then due = due + time[1] * 1000 + math.floor(time[2] / 1000) end
local token = string.format('%d-%016d', due, redis.call('HINCRBY', KEYS[2], 'added', 1))
redis.call('ZADD', KEYS[1], due, token)
redis.call('HSET', KEYS[2], token, ARGV[3])
return token";

/// Of the scripts that move messages: appends the one of this token, where it is there, and takes
/// it away.
macro_rules! moving {
    ($rest:literal) => {
        concat!(
            "\
local function move(token)
  local packed = redis.call('HGET', KEYS[2], token)
  if packed then
    local fields, at = {}, 1
    while at <= #packed do
      local colon = string.find(packed, ':', at, true)
      local length = tonumber(string.sub(packed, at, colon - 1))
      fields[#fields + 1] = string.sub(packed, colon + 1, colon + length)
      at = colon + length + 1
    end
    redis.call('XADD', KEYS[3], '*', unpack(fields))
  end
  redis.call('ZREM', KEYS[1], token)
  redis.call('HDEL', KEYS[2], token)
end
",
            $rest
        )
    };
}

/// Moves what is due to the stream. Returns how many those were, and how long the next one waits in
/// ms; -1: there is none.
pub(super) const MOVE: &str = moving!(
    "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, token in ipairs(due) do move(token) end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then
  redis.call('DEL', KEYS[2])
  return {#due, -1}
end
return {#due, math.max(tonumber(first[2]) - now, 0)}"
);

/// Moves one to the stream, whenever it is due.
pub(super) const RUN: &str = moving!(
    "\
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
move(ARGV[1])
if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('DEL', KEYS[2]) end
return 1"
);

/// Takes all away. Returns how many those were.
pub(super) const CANCEL_ALL: &str = "\
local count = redis.call('ZCARD', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2])
return count";

/// Tokens and messages behind a token (empty: from the first on), so many at most, and no others
/// once they have so many bytes; before them the token behind which to go on, empty at the end.
/// Where that token stood is found by halving, as it may be gone.
pub(super) const LIST: &str = "\
local first, count = 0, redis.call('ZCARD', KEYS[1])
if ARGV[1] ~= '' then
  local due, behind = tonumber(ARGV[2]), count
  while first < behind do
    local middle = math.floor((first + behind) / 2)
    local at = redis.call('ZRANGE', KEYS[1], middle, middle, 'WITHSCORES')
    local is_before = tonumber(at[2]) < due
    if is_before or (tonumber(at[2]) == due and at[1] <= ARGV[1]) then
      first = middle + 1
    else
      behind = middle
    end
  end
end
local listed, bytes, last = {''}, 0, ''
for _, token in ipairs(redis.call('ZRANGE', KEYS[1], first, first + ARGV[3] - 1)) do
  local packed = redis.call('HGET', KEYS[2], token)
  first, last = first + 1, token
  if packed then
    listed[#listed + 1] = token
    listed[#listed + 1] = packed
    bytes = bytes + #packed
    if bytes > tonumber(ARGV[4]) then break end
  end
end
if first < count then listed[1] = last end
return listed";

/// Takes one away.
pub(super) const CANCEL: &str = "\
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])";
