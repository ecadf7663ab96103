-- Writes the figures of a run into docs/performance.md, between its two marks, and
-- draws docs/performance.svg. `make bench BENCH=report` calls it after measuring.
--
--     scripts/lua bench/document.lua RESULTS MICRO PAUSE AMPLIFY MACHINE
--
-- The arguments are files: RESULTS of bench/run.lua, the output of the other three
-- benchmarks, and a description of the machine.

local chart = require "bench.chart"
local peers = require "bench.peers"
local scenarios = require "bench.scenarios"

local DOCUMENT, CHART = "docs/performance.md", "docs/performance.svg"
local BEGIN, END = "<!-- figures: made by `make bench BENCH=report` -->\n", "<!-- end of figures -->\n"
local FIELDS = {"median", "least", "most", "ratio", "ratio_least", "ratio_most", "rate", "p50",
  "p99", "bytes"}

local function read(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

local function write(name, text)
  local file <close> = assert(io.open(name, "w"))
  assert(file:write(text))
end

-- scenario -> peer -> figures
local function results_of(name)
  local results = {}
  for line in io.lines(name) do
    local words = {}
    for word in line:gmatch "[^\t]+" do words[#words + 1] = word end
    local row = {}
    for i, field in ipairs(FIELDS) do row[field] = tonumber(words[i + 2]) end
    results[words[1]] = results[words[1]] or {}
    results[words[1]][words[2]] = row
  end
  return results
end

-- Tables ----------------------------------------------------------------------

local function row(cells) return "| " .. table.concat(cells, " | ") .. " |\n" end

local function short(value)
  return (value < 9.995 and "%.2f" or value < 99.5 and "%.1f" or "%.0f"):format(value)
end

local function spread(a, b, c) return ("%s (%s-%s)"):format(short(a), short(b), short(c)) end

local function heading(titles)
  local rule = {}
  for i = 1, #titles do rule[i] = "---" end
  return row(titles) .. row(rule)
end

-- Returns the scenarios for which `wanted` is true.
local function each(results, wanted)
  local list = {}
  for _, scenario in ipairs(scenarios) do
    if results[scenario.name] and wanted(scenario) then list[#list + 1] = scenario end
  end
  return ipairs(list)
end

local function titles_of(first, ...)
  local titles = {first, ...}
  for _, peer in ipairs(peers) do
    if peer.name ~= "ideal" then titles[#titles + 1] = peer.title end
  end
  return titles
end

-- The yardstick's figures, and the others as multiples of them.
local function multiples(results, wanted)
  local out = {heading(titles_of("", "ideal C"))}
  for _, scenario in each(results, wanted) do
    local of = results[scenario.name]
    local cells = {scenario.title, ("%s %s"):format(short(of.ideal.median), scenario.unit)}
    for _, peer in ipairs(peers) do
      local r = of[peer.name]
      if peer.name ~= "ideal" then
        cells[#cells + 1] = r and spread(r.ratio, r.ratio_least, r.ratio_most) or "-"
      end
    end
    out[#out + 1] = row(cells)
  end
  return table.concat(out)
end

-- The figures themselves.
local function absolutes(results, wanted, more, more_of)
  local out = {heading(titles_of("", more, "ideal C"))}
  for _, scenario in each(results, wanted) do
    local of = results[scenario.name]
    local cells = {scenario.title, more_of(scenario, of.websock)}
    for _, peer in ipairs(peers) do
      local r = of[peer.name]
      cells[#cells + 1] = r and spread(r.median, r.least, r.most) or "-"
    end
    out[#out + 1] = row(cells)
  end
  return table.concat(out)
end

local function latencies(results, wanted)
  local out = {heading {"", "a second: ideal C", "websock", "p50, p99 µs: ideal C", "websock"}}
  for _, scenario in each(results, wanted) do
    local of, cells = results[scenario.name], {scenario.title}
    for i, name in ipairs {"ideal", "websock"} do
      cells[1 + i] = ("%.0f"):format(of[name].rate)
      cells[3 + i] = ("%.0f, %.0f"):format(of[name].p50, of[name].p99)
    end
    out[#out + 1] = row(cells)
  end
  return table.concat(out)
end

-- The document ----------------------------------------------------------------

local function is_plain(s) return not s.mode and s.figure == "cpu" end
local function is_tls(s) return s.mode == "tls" and s.figure == "cpu" end
local function is_deflate(s) return s.mode == "deflate" and s.figure == "cpu" end
local function is_memory(s) return s.figure == "memory" end
local function is_timed(s) return is_plain(s) and s.of ~= "client" end

local function figures(results, micro, pause, amplify, machine)
  return table.concat {
    machine, "\nMultiples of the CPU time that the ideal C server, or client, needs for the same, ",
    "in the same round: median (least-greatest).\n\n", multiples(results, is_plain),
    "\n![Multiples of the ideal C server's CPU time](performance.svg)\n\n",
    "### TLS\n\n", multiples(results, is_tls),
    "\n### Compression\n\nµs of the server's CPU time a message, without context takeover, window ",
    "of 12 bits, level 1; all are given the same terms.\n\n",
    absolutes(results, is_deflate, "on the wire", function(scenario, r)
      return ("%.0f %%"):format(100 * r.bytes / scenario.size)
    end),
    "\n### Memory\n\nResident growth, KiB a connection.\n\n",
    absolutes(results, is_memory, "of", function(scenario) return tostring(scenario.connections) end),
    "\n### Rates and latencies\n\n", latencies(results, is_timed),
    "\n### The core alone\n\n```\n", micro, "```\n",
    "\n### The longest step\n\n```\n", pause, "```\n",
    "\n### Frames that inflate to much\n\n```\n", amplify, "```\n",
  }
end

local function draw(results)
  local rows, names = {}, {}
  for _, peer in ipairs(peers) do
    if peer.name ~= "ideal" then names[#names + 1] = peer.title end
  end
  for i, scenario in each(results, is_plain) do
    rows[i] = {title = scenario.title, values = {}}
    for _, peer in ipairs(peers) do
      local r = results[scenario.name][peer.name]
      if r and peer.name ~= "ideal" then rows[i].values[peer.title] = r.ratio end
    end
  end
  return chart(rows, names)
end

local results = results_of(arg[1])
local text = read(DOCUMENT)
local _, from = text:find(BEGIN, 1, true)
local to = text:find(END, from, true)
assert(from and to, DOCUMENT .. " has lost its marks")
write(DOCUMENT, text:sub(1, from) .. "\n" ..
  figures(results, read(arg[2]), read(arg[3]), read(arg[4]), read(arg[5])) .. "\n" .. text:sub(to))
write(CHART, draw(results))
