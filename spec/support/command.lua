-- Runs bin/websock as a real process, with separate streams: what it writes to standard
-- output and to standard error is part of its contract.

local process = require "support.process"

local command = {}

local function slurp(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function spill(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- process.start merges the streams and gives no input, so a shell redirects them to
-- files. It execs the command, so the pid is the command's.
local REDIRECT = 'exec scripts/lua bin/websock "$@" <"$IN" >"$OUT" 2>"$ERR"'

-- Environment of a child that may load a sanitized module.
local function environment(files)
  return {
    IN = files.input, OUT = files.out, ERR = files.err,
    LD_PRELOAD = os.getenv("SANITIZED"),
  }
end

local Command = {}
Command.__index = Command

local function start(args, files, shell)
  files.out, files.err = os.tmpname(), os.tmpname()
  local words = {"sh", "-c", shell or REDIRECT, "sh", table.unpack(args)}
  local child = process.start(words, {env = environment(files)})
  return setmetatable({child = child, files = files}, Command)
end

---Starts it with an input that stays open, for `write` and `finish`.
function command.start(args)
  local fifo = os.tmpname()
  os.remove(fifo)
  assert(os.execute("mkfifo " .. fifo))
  local self = start(args, {input = fifo})  -- first, or it would inherit the pen
  -- for reading and writing, so that opening does not wait for the other side
  self.pen = assert(io.open(fifo, "r+"))
  self.pen:setvbuf("no")
  return self
end

---Runs it to its end with `input` in a regular file. Returns status, standard output,
---standard error. `shell` replaces the redirection above.
function command.run(args, input, shell)
  local path = os.tmpname()
  spill(path, input or "")
  local self <close> = start(args, {input = path}, shell)
  return self:wait()
end

---Starts the server of cli_peer.lua: returns the process and the server's URL.
function command.peer()
  local peer = process.start(process.lua "spec/support/cli_peer.lua",
    {env = {LD_PRELOAD = os.getenv "SANITIZED"}})
  return peer, "ws://127.0.0.1:" .. peer:expect "port (%d+)" .. "/"
end

---Runs the client on `input`; `...` are options.
function command.client(url, input, ...)
  local args = {...}
  args[#args + 1] = url
  return command.run(args, input)
end

function Command:write(text)
  assert(self.pen:write(text))
end

---Ends the input.
function Command:finish()
  self.pen:close()
  self.pen = nil
end

function Command:wait()
  local status = self.child:wait()
  return status, slurp(self.files.out), slurp(self.files.err)
end

---Waits until the stream ("out" or "err") matches; returns the captures.
function Command:expect(stream, pattern)
  local socket = require "socket"
  local deadline = socket.gettime() + 60
  repeat
    local found = table.pack(slurp(self.files[stream]):match(pattern))
    if found[1] then return table.unpack(found, 1, found.n) end
    socket.sleep(0.01)
  until socket.gettime() > deadline
  error(("no %q in:\n%s"):format(pattern, slurp(self.files[stream])), 2)
end

function Command:signal(name)
  self.child:signal(name)
end

---Ends it and removes its files. Idempotent.
function Command:stop()
  self.child:stop()
  if self.pen then self:finish() end
  for _, path in pairs(self.files) do os.remove(path) end
end

Command.__close = Command.stop

return command
