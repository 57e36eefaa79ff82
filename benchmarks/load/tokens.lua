-- The same request by many people in turn: TOKENS names a file with a token a line. All are made before the clock starts.
dofile("report.lua")

local requests, turn = {}, 0

function init()
   for token in io.lines(os.getenv("TOKENS")) do
      requests[#requests + 1] = wrk.format("GET", nil, {Host = wrk.headers["Host"], Authorization = "Bearer " .. token})
   end
end

function request()
   turn = turn % #requests + 1
   return requests[turn]
end
