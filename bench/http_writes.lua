-- For wrk: likes, or comments, of many people, each another one. The file named by the first argument has a token a line, the second one a video a line; then like or comment, the
-- number of the first request, and the pause of a connection.
local tokens, videos, k = {}, {}, 0

function init(args)
  for line in io.lines(args[1]) do tokens[#tokens + 1] = "Bearer " .. line end
  for line in io.lines(args[2]) do videos[#videos + 1] = line end
  what = args[3]
  k = tonumber(args[4])
  local pause = tonumber(args[5] or 0)  -- ms between two requests of a connection
  if pause > 0 then delay = function() return pause end end
end

function request()
  local who, video = tokens[k % #tokens + 1], videos[math.floor(k / #tokens) % #videos + 1]
  local headers = { ["Authorization"] = who, ["Content-Type"] = "application/json" }
  k = k + 1
  if what == "like" then  -- who has liked all takes his likes back, and so on
    local verb = math.floor((k - 1) / (#tokens * #videos)) % 2 == 0 and "like" or "unlike"
    return wrk.format("POST", "/api/auth/interaction/" .. verb, headers, '{"video_id":' .. video .. "}")
  end
  return wrk.format("POST", "/api/auth/interaction/comment", headers,
    '{"video_id":' .. video .. ',"content":"what a lovely evening by the river, the light in the second half is perfect"}')
end
