-- One record each of many people in turn: TOKENS names a file with a token a line. Their steps only grow, from FROM on,
-- so that every sync changes something.
dofile("report.lua")

local headers, turn, steps = {}, 0, tonumber(os.getenv("FROM"))

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
   return wrk.format("POST", nil, headers[turn], '{"steps": ' .. steps .. ', "source": "health_connect"}')
end
