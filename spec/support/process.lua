-- Starts other programs for a spec: peers, examples, the command. A child runs under a
-- small shell that kills it when the shell's standard input (a pipe from us) ends, so
-- that none outlives the spec, however the spec ends.

local process = {}
local Process = {}
Process.__index = Process

local function quote (word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

---A command line of words, safe for the shell.
function process.quote (words)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  return table.concat(quoted, " ")
end

-- The shell prints the child's pid first. The child's input is empty, and it does not
-- get a sanitizer's LD_PRELOAD. `read` returns when we close our end, or have ended; the
-- watcher ends by itself after the child.
local script = [[
exec 3<&0 2>/dev/null
%s </dev/null 3<&- >%s 2>&1 & child=$!
echo $child >%s
(read -r line <&3; kill -9 $child) >/dev/null 2>&1 & watcher=$!
exec 3<&-
wait $child; echo "exit $?" >>%s
kill $watcher 2>/dev/null
]]

local function slurp (path)
  local file = io.open(path)
  if not file then return "" end
  local text = file:read("a")
  file:close()
  return text
end

-- Polls with pauses; `turn` may be a function that turns a loop meanwhile.
local function poll (seconds, turn, done)
  local socket = require "socket"
  local deadline = socket.gettime() + seconds
  while true do
    local result = done()
    if result then return result end
    if socket.gettime() > deadline then return nil end
    if turn then turn(0.01) else socket.sleep(0.01) end
  end
end

---Starts a program; its output (both streams) is collected.
---@param words string[] the command and its arguments
---@param options? {env?: table<string, string>, turn?: fun(seconds: number)}
function process.start (words, options)
  options = options or {}
  local self = setmetatable({ out = os.tmpname(), turn = options.turn }, Process)
  self.status, self.pid_file = self.out .. ".status", self.out .. ".pid"
  -- a shell makes its background processes ignore Ctrl-C, LuaSocket its own SIGPIPE
  local env = { "env", "--default-signal=INT,PIPE", "-u", "LD_PRELOAD" }
  for name, value in pairs(options.env or {}) do
    env[#env + 1] = name .. "=" .. value
  end
  local command = process.quote(env) .. " " .. process.quote(words)
  self.name = words[1]
  self.pipe = assert(io.popen(script:format(command, quote(self.out),
    quote(self.pid_file), quote(self.status)), "w"))
  local pid = poll(240, nil, function ()
    return slurp(self.pid_file):match("^(%d+)\n")
  end)
  self.pid = assert(pid, "the shell did not start " .. words[1])
  return self
end

---Its output so far.
function Process:output () return slurp(self.out) end

---Waits until its output matches; returns the captures. Raises if it ends first or
---`seconds` (300) have passed.
function Process:expect (pattern, seconds)
  local found = poll(seconds or 300, self.turn, function ()
    local ended = self:ended()
    local captures = { self:output():match(pattern) }
    if captures[1] then return captures end
    return ended and {} or nil
  end)
  if found and found[1] then return table.unpack(found) end
  error(("%s %s before printing %s; it printed:\n%s"):format(self.name,
    found and "ended" or "took too long", pattern, self:output()), 2)
end

---Its exit status, nil while it runs.
function Process:ended ()
  return tonumber(slurp(self.status):match("^exit (%d+)\n"))
end

---Waits for its end; returns exit status and output.
function Process:wait (seconds)
  local status = poll(seconds or 600, self.turn, function () return self:ended() end)
  if not status then
    error(("%s did not end; it printed:\n%s"):format(self.name, self:output()), 2)
  end
  return status, self:output()
end

---Sends a signal ("TERM", "KILL", "INT", "STOP", "CONT").
function Process:signal (name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

---Kills it, if it runs, and removes its files. Idempotent.
function Process:stop ()
  if not self.pipe then return end
  if not self:ended() then self:signal("KILL") end
  self.pipe:close()
  self.pipe = nil
  os.remove(self.out)
  os.remove(self.status)
  os.remove(self.pid_file)
end

Process.__gc, Process.__close = Process.stop, Process.stop

---Runs a program to its end: status, output.
function process.run (words, options)
  local child <close> = process.start(words, options)
  return child:wait(options and options.timeout)
end

-- ------------------------------------------------------------ known programs

---The Python that has `websockets`.
process.python = os.getenv("PYTHON") or "/usr/bin/python3"

---This checkout's Lua, with its modules.
function process.lua (...)
  return { "scripts/lua", ... }
end

return process
