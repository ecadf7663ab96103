-- Figures of rounds, and their tables.
local report = {}

-- Returns median, least and greatest of what `get` returns for each round.
local function figures(rounds, get)
  local list = {}
  for i, round in ipairs(rounds) do list[i] = get(round) end
  table.sort(list)
  local middle = (#list + 1) // 2
  local median = #list % 2 == 1 and list[middle] or (list[middle] + list[middle + 1]) / 2
  return median, list[1], list[#list]
end

-- The median of a peer's figure, and its spread.
function report.of(rounds, peer, figure)
  return figures(rounds, function(round) return round[peer][figure] end)
end

-- The same, as a multiple of another peer's figure in the same round.
function report.ratio(rounds, peer, yardstick, figure)
  return figures(rounds, function(round)
    return round[peer][figure] / round[yardstick][figure]
  end)
end

local line = "  %-18s %24s   %22s %9s %8s %8s %8s"

local function spread(...) return ("%.2f (%.2f-%.2f)"):format(...) end

local function row(scenario, rounds, peer, yardstick)
  local function median(figure)
    local value = report.of(rounds, peer, figure)
    if scenario.fresh or value == 0 then return "-" end
    return ("%.0f"):format(value)
  end
  return line:format(peer.title, spread(report.of(rounds, peer, scenario.figure)),
    spread(report.ratio(rounds, peer, yardstick, scenario.figure)),
    median "rate", median "p50", median "p99", median "bytes")
end

-- A line for each peer, separated by tabs, for bench/document.lua.
function report.append(file, scenario, peers, rounds)
  for _, peer in ipairs(peers) do
    local line_of = {scenario.name, peer.name}
    local function add(...) table.move({...}, 1, 3, #line_of + 1, line_of) end
    add(report.of(rounds, peer, scenario.figure))
    add(report.ratio(rounds, peer, peers[1], scenario.figure))
    for _, figure in ipairs {"rate", "p50", "p99", "bytes"} do
      line_of[#line_of + 1] = (report.of(rounds, peer, figure))
    end
    file:write(table.concat(line_of, "\t"), "\n")
  end
  file:flush()
end

function report.print(scenario, peers, rounds)
  print(scenario.title)
  print(line:format("", scenario.unit:gsub("µ", "u"), "x " .. peers[1].title, "a second",
    "p50 us", "p99 us", "bytes"))
  for _, peer in ipairs(peers) do print(row(scenario, rounds, peer, peers[1])) end
  io.stdout:flush()
end

return report
