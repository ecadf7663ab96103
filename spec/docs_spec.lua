-- The documentation against the code: every sample runs and prints what its comments
-- say, and tables and annotations name exactly what exists.
--
-- A sample is a code block behind a comment <!-- sample: KIND -->:
--   server     a program that serves port 8080 and answers an echo client; if it
--              has a handler for Ctrl-C, that ends it, whatever else it does
--   client     a program for such a server
--   page PATH BODY   like server; GET PATH is answered with BODY
--   run        a program of its own
--   host       the same, which is also run where the loop has no descriptor
--   copas      a program under Copas 4, or what stands for it
--   with ws    has `websock`, and `ws`, connected to an echo server
--   c          a C program against an installed tree
-- It prints the text after each "-->", in this order.

local socket = require "socket"
local process = require "support.process"
local raw = require "support.raw"
local sorted = require "support.sorted"

local PAGES = {"README.md", "docs/reference.md", "docs/guide.md",
  "docs/embedding.md", "docs/core.md", "docs/performance.md"}

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function spill(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

-- Samples ---------------------------------------------------------------------

local function samples_of(page)
  local samples = {}
  local text, line = slurp(page), 1
  local from = 1
  while true do
    local first, last, kind, code =
      text:find("<!%-%- sample: ([^\n]-) %-%->\n```%l+\n(.-)```\n", from)
    if not first then return samples end
    line = line + select(2, text:sub(from, first):gsub("\n", ""))
    samples[#samples + 1] = {kind = kind, code = code, name = page .. ":" .. line}
    line = line + select(2, text:sub(first + 1, last):gsub("\n", ""))
    from = last + 1
  end
end

-- The lines that a sample's comments say it prints.
local function promised(code)
  local lines = {}
  for line in code:gmatch "%-%-> ([^\n]*)" do
    lines[#lines + 1] = line:gsub(" %*/$", "") .. "\n"
  end
  return table.concat(lines)
end

-- The sample as a program; its lines keep their numbers.
local function start(code, prelude, poller)
  local path = os.tmpname()
  spill(path, (prelude or "") .. code)
  local child = process.start(process.lua(path),
    {env = {LD_PRELOAD = os.getenv "SANITIZED", WEBSOCK_POLLER = poller}})
  child.file = path
  return child
end

local function finish(child)
  child:stop()
  os.remove(child.file)
end

local function run(code, prelude, poller)
  local child = start(code, prelude, poller)
  local status, output = child:wait()
  finish(child)
  assert.equal(promised(code), output)
  assert.equal(0, status)
end

-- A server that is ended by Ctrl-C prints what it printed; others are killed.
local function server_says(code)
  local said = code:match 'print "([^"]*)"'
  return said and said .. "\n" or ""
end

-- Starts a sample that serves a free port: the process, the port, the program.
local function serving(code)
  local reserved <close> = raw.reserve()
  local port = reserved.port
  local served = code:gsub("%f[%d]8080%f[%D]", port)
  assert.not_equal(code, served)
  local child = start(served)
  while not raw.answers(port) do
    assert.is_nil(child:ended(), child:output())
    socket.sleep(0.01)
  end
  return child, port, served
end

-- Runs body(port) while a sample serves that port.
local function while_serving(code, body)
  local child, port, served = serving(code)
  local ok, err = pcall(body, port)
  if ok and code:find('signal("INT"', 1, true) then
    child:signal "INT"
    ok, err = pcall(function() assert.equal(0, (child:wait())) end)
  end
  local output = child:output()
  finish(child)
  assert(ok, err)
  assert.equal(server_says(served), output)
end

-- The program with a line inserted before the one that runs it.
local function with(code, line)
  local changed, n = code:gsub("\n([^\n]*websock%.run%(%))", "\n" .. line .. " %1")
  assert.equal(1, n)
  return changed
end

local TICKER = "websock.spawn(function() while true do websock.sleep(0.01) end end)"
local RAISES = "websock.spawn(error, 'spawned')"

-- Ctrl-C ends a server, whatever else it does, and also if a client does not answer
-- its Close. Its status is not 0 if a spawned function has raised.
local function assert_ends_on_ctrl_c(code)
  for line, expected in pairs {[TICKER] = 0, [RAISES] = 1} do
    local child = serving(with(code, line))
    child:signal "INT"
    assert.equal(expected, (child:wait()), child:output())
    finish(child)
  end
  local child, port = serving(with(code, TICKER))
  local deaf = raw.open(port)
  child:signal "INT"
  assert.equal(1001, (deaf:closed()))
  child:signal "INT"
  assert.equal(1, (child:wait(120)))
  assert.matches("interrupted!", child:output())
  deaf:close()
  finish(child)
end

local ECHO = samples_of("README.md")[1].code

-- On one line.
local ON_ECHO = [[local websock = require "websock" ]]
  .. [[local server = assert(websock.listen {port = 0, handler = function(ws) ]]
  .. [[for m, k in ws:messages() do ws:send(m, k) end end}) ]]
  .. [[local ws = assert(websock.connect("ws://127.0.0.1:" .. ]]
  .. [[select(2, server:getsockname()) .. "/")) ]]

local try = {}

function try.run(code)
  run(code)
end

function try.host(code)
  run(code)
  run(code, nil, "poll")
end

-- On one line: the sample's lines keep their numbers.
local ON_COPAS = [[package.path = "spec/?.lua;" .. package.path ]]
  .. [[if not pcall(require, "copas") or not require "copas".pauseforever then ]]
  .. [[package.loaded.copas = require "support.copas_like" end ]]

function try.copas(code)
  run(code, ON_COPAS)
end

try["with ws"] = function(code)
  run(code, ON_ECHO)
end

function try.client(code)
  while_serving(ECHO, function(port)
    local text, n = code:gsub("127%.0%.0%.1:8080", "127.0.0.1:" .. port)
    assert.equal(1, n)
    run(text)
  end)
end

function try.server(code)
  local websock = require "websock"
  while_serving(code, function(port)
    local ws <close> = assert(websock.connect("ws://127.0.0.1:" .. port))
    assert(ws:send "hello")
    assert.equal("hello", (ws:receive(120)))
    assert.is_true(ws:close())
  end)
end

local function is_ended_by_ctrl_c(sample)
  return sample.kind == "server" and sample.code:find('signal("INT"', 1, true)
end

function try.page(code, path, body)
  while_serving(code, function(port)
    local got, status =
      require("socket.http").request("http://127.0.0.1:" .. port .. path)
    assert.equal(body, got)
    assert.equal(200, status)
  end)
end

function try.c(code)
  local installed = require "support.installed"
  local source = installed.folder .. "/sample.c"
  spill(source, code)
  local status, output = process.run({installed.compile(source)}, {env = installed.env})
  assert.equal(0, status, output)
  assert.equal(promised(code), output)
end

for _, page in ipairs(PAGES) do
  describe(page, function()
    for _, sample in ipairs(samples_of(page)) do
      it("runs the sample at " .. sample.name, function()
        local page_path, page_body = sample.kind:match "^page (%S+) (.*)$"
        local kind = page_path and "page" or sample.kind
        try[kind](sample.code, page_path, page_body)
      end)
    end

    for _, sample in ipairs(samples_of(page)) do
      if is_ended_by_ctrl_c(sample) then
        it("ends on Ctrl-C the sample at " .. sample.name, function()
          assert_ends_on_ctrl_c(sample.code)
        end)
      end
    end

    it("has no program that ignores an error", function()
      for line in slurp(page):gmatch "[^\n]+" do
        assert.is_nil(line:find "^ *websock%.serve {", line)          -- unchecked
        assert.is_nil(line:find "^ *local %w+ = websock%.listen", line)
        assert.is_nil(line:find "^ *websock%.run%(%)$", line)       -- the status is lost
      end
    end)

    it("has no code block that is neither a sample nor known to be text", function()
      local blocks = select(2, slurp(page):gsub("\n```%l+\n", ""))
      assert.equal(#samples_of(page), blocks)
    end)

    it("has links only to what exists", function()
      local text = slurp(page)
      for target in text:gmatch "%]%(([^)]+)%)" do
        local path, anchor = target:match "^([^#]*)#?(.*)$"
        if not path:find "^https?:" then
          local folder = page:match "^.*/" or ""
          local file = path == "" and page or folder .. path
          local handle = assert(io.open(file), page .. ": " .. target)
          handle:close()
          if anchor ~= "" then
            local anchors = {}
            for heading in ("\n" .. slurp(file)):gmatch "\n#+ ([^\n]+)" do
              anchors[heading:lower():gsub("[^%w%- _]", ""):gsub(" ", "-")] = true
            end
            assert.is_true(anchors[anchor], page .. ": " .. target)
          end
        end
      end
    end)
  end)
end

-- Options ---------------------------------------------------------------------

local UNITS = {MiB = 1024 * 1024, KiB = 1024}

-- A default in the form of the tables; `required` and none are both nil.
local function value_of(text)
  local number, unit = text:match "^([%d.]+) ?(%a*)$"
  if number then return tonumber(number) * (UNITS[unit] or 1) end
  if text == "none" or text == "required" then return nil end
  if text == "true" or text == "false" then return text == "true" end
  local list = text:match "^`({.*})`$"
  if list then return load("return " .. list)() end
  return text:match '^`"(.*)"`$' or error("what default is " .. text)
end

-- function -> option -> default, from the tables behind
-- <!-- options: FUNCTION ... -->
local function documented_options()
  local all = {}
  local text = slurp "docs/reference.md"
  for functions, rows in text:gmatch "<!%-%- options: ([%l ]+) %-%->\n(.-)\n\n" do
    for name, default in rows:gmatch "\n| `([%l_]+)` | ([^|]-) |" do
      for where in functions:gmatch "%l+" do
        all[where] = all[where] or {}
        assert(not all[where][name], name .. " twice for " .. where)
        all[where][name] = {default = value_of(default)}
      end
    end
  end
  return all
end

-- Methods of a server that only its listeners call.
local INTERNAL = {cannot_accept = true, new_link = true, welcome = true}

local WHERE = {"accept", "backoff", "compress", "connect", "cookies", "listen",
  "publish", "reconnect", "send", "tls", "writer"}

describe("docs/reference.md", function()
  local options = require "websock.base.options"

  it("has the options of each function and their defaults", function()
    local documented = documented_options()
    assert.same(WHERE, sorted(documented))
    for _, where in ipairs(WHERE) do
      assert.same(sorted(options[where]), sorted(documented[where]))
      for name, option in pairs(options[where]) do
        local default = documented[where][name].default
        assert.same(option[1], default, where .. ": " .. name)
      end
    end
  end)

  it("has every function of the module and every method", function()
    local text = slurp "docs/reference.md"
    local function has(what)
      assert.is_truthy(text:find(what, 1, true), what .. " is missing")
    end
    for name, value in pairs(require "websock") do
      if type(value) == "function" then has("websock." .. name) end
    end
    local source = slurp "lua/websock/link/connection.lua"
    for name in source:gmatch "\nfunction methods%.(%w+)" do has("ws:" .. name) end
    for name in source:gmatch "\nmethods%.([%w_]+) =" do has("ws:" .. name) end
    for name in slurp("lua/websock/link/writer.lua"):gmatch "\nfunction Writer:(%w+)" do
      has("writer:" .. name)
    end
    for name in slurp("lua/websock/server/server.lua"):gmatch '\nfunction Server:(%l[%l_]+)' do
      if not INTERNAL[name] then has("server:" .. name) end
    end
  end)
end)

describe("docs/reference.md, of the log", function()
  it("has every event with its level", function()
    local written, documented = {}, {}
    for path in io.popen "find lua -name '*.lua'":lines() do
      for level, event in slurp(path):gmatch 'log%.write%("(%l+)", "([%l ]+)"' do
        written[level .. " " .. event] = true
      end
    end
    local table_of_events = slurp "docs/reference.md":match "| level | event |.-\n\n"
    for level, event in table_of_events:gmatch '\n| `"(%l+)"` | `"([%l ]+)"` |' do
      documented[level .. " " .. event] = true
    end
    assert.same(sorted(written), sorted(documented))
    assert.is_true(#sorted(written) > 0)
  end)
end)

describe("docs/core.md", function()
  it("names only methods that exist", function()
    local core = require "websock.core"
    local conn = core.conn(core.config "client")
    local n = 0
    for name in slurp("docs/core.md"):gmatch "| `conn:([%l_]+)%(" do
      assert.is_function(conn[name], name)
      n = n + 1
    end
    assert.is_true(n > 25)
  end)
end)

-- Annotations -----------------------------------------------------------------

local ANNOTATIONS = slurp "library/websock.lua"

-- The fields of a class and of those it extends.
local function fields_of(class, found)
  found = found or {}
  local base, body = (ANNOTATIONS .. "\n\n"):match(
    "%-%-%-@class " .. class:gsub("%.", "%%.") .. "(:? ?[%w.]*)\n(.-)\n[^-]")
  assert(body, "no class " .. class)
  for name in ("\n" .. body):gmatch "\n%-%-%-@field ([%l_]+)" do found[name] = true end
  base = base:match "[%w.]+"
  if base then fields_of(base, found) end
  return found
end

describe("library/websock.lua", function()
  local websock = require "websock"

  it("is Lua", function()
    assert(loadfile "library/websock.lua")
  end)

  for where, class in pairs {accept = "Accept", backoff = "Backoff", compress = "Compress",
    connect = "Connect", cookies = "Cookies",
    listen = "Listen", publish = "Publish", reconnect = "Reconnect", send = "Send",
    tls = "Tls", writer = "Writer"} do
    it("has the options of " .. where, function()
      local fields = fields_of("websock." .. class .. "Options")
      assert.same(sorted(require("websock.base.options")[where]), sorted(fields))
    end)
  end

  local function annotated(pattern)
    local set = {}
    for name in ANNOTATIONS:gmatch("\nfunction " .. pattern .. "([%l_]+)%(") do
      set[name] = true
    end
    return sorted(set)
  end

  local function methods_of(class, path)
    local set, source = {}, slurp(path)
    for _, pattern in ipairs {"\nfunction %s[.:]([%%l_]+)", "\n%s%%.([%%l_]+) ="} do
      for name in source:gmatch(pattern:format(class)) do
        if name:sub(1, 2) ~= "__" then set[name] = true end
      end
    end
    return set
  end

  it("has the functions of the module", function()
    local functions = {}
    for name, value in pairs(websock) do
      if type(value) == "function" then functions[name] = true end
    end
    assert.same(sorted(functions), annotated "websock%.")
  end)

  it("has the methods of connections and writers", function()
    local methods = methods_of("methods", "lua/websock/link/connection.lua")
    assert.same(sorted(methods), annotated "Connection:")
    assert.same(sorted(methods_of("Writer", "lua/websock/link/writer.lua")), annotated "Writer:")
  end)

  it("has the methods of servers", function()
    local methods = methods_of("Server", "lua/websock/server/server.lua")
    for name in pairs(INTERNAL) do
      methods[name] = nil  -- the library's own
    end
    assert.same(sorted(methods), annotated "Server:")
  end)

  it("has only methods of the core that exist", function()
    local conn = websock.core.conn(websock.core.config "client")
    for _, name in ipairs(annotated "Conn:") do assert.is_function(conn[name], name) end
  end)
end)
