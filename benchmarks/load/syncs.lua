-- One record each of many people in turn: TOKENS names a file with a token a line. Their steps only grow, also from one
-- run to the next, so that every sync changes something: FROM is what they start with at the moment BEGAN.
dofile("report.lua")

local headers, turn = {}, 0
local steps = tonumber(os.getenv("FROM")) + (os.time() - tonumber(os.getenv("BEGAN"))) * 100
local day = os.getenv("DAY")

function init()
   for token in io.lines(os.getenv("TOKENS")) do
      headers[#headers + 1] = {
         Host = wrk.headers["Host"], Authorization = "Bearer " .. token, ["Content-Type"] = "application/json"
      }
   end
end

function request()
   turn = turn % #headers + 1
   if turn == 1 then steps = steps + 1 end
   local body = string.format('{"steps": %d, "source": "health_connect", "date": "%s"}', steps, day)
   return wrk.format("POST", nil, headers[turn], body)
end
