-- The README as a reader follows it: its samples and commands are pasted, in order, in
-- a copy of this checkout.
--
-- A sample is saved under the name in the text before it, `server.lua` for instance. A
-- block of commands after <!-- shell: N --> is typed in terminal N: in 1 a server, which
-- runs until Ctrl-C before the next block there; in 2 commands that end by themselves.

local socket = require "socket"
local process = require "support.process"
local raw = require "support.raw"

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function spill(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

-- Other processes may use the README's ports.
local RESERVED = {["8080"] = raw.reserve(), ["9000"] = raw.reserve()}
local PORTS = {}
for port, reserved in pairs(RESERVED) do PORTS[port] = tostring(reserved.port) end

local function with_ports(text)
  return (text:gsub("%f[%d]%d+%f[%D]", PORTS))
end

-- The pieces to paste, in order: {name=, code=} or {terminal=, commands=}.
local function steps_of(text)
  local steps, name = {}, nil
  local lines = (text .. "\n"):gmatch "([^\n]*)\n"
  for line in lines do
    name = line:match "`([%w_]+%.lua)`:$" or name
    local terminal = line:match "^<!%-%- shell: (%d) %-%->$"
    if line == "```lua" then
      local code = {}
      for inner in lines do
        if inner == "```" then break end
        code[#code + 1] = inner
      end
      steps[#steps + 1] = {name = assert(name), code = table.concat(code, "\n") .. "\n"}
      name = nil
    elseif terminal then
      local commands = {}
      for inner in lines do
        local command = inner:match "^    (.*)$"
        if not command then break end
        commands[#commands + 1] = command
      end
      steps[#steps + 1] = {terminal = terminal, commands = commands}
    end
  end
  return steps
end

-- A copy of the files of this checkout, with what has been built already: no more
-- than `make` would build again.
local function copy_checkout()
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute(([[mkdir %s && { git ls-files -co --exclude-standard; find build/obj build/websock; } |
    tar -cf - --no-recursion -T - | tar -xf - -C %s]]):format(folder, folder)))
  return folder
end

describe("README.md, pasted in its order", function()
  local folder, server
  local said = {}  -- by the programs of terminal 2

  -- A session of its own, so that Ctrl-C reaches all of it, as on a terminal.
  local function type_in(commands)
    local words = {"setsid", "sh", "-e", "-c", ("cd %s\nunset WEBSOCK_BUILD LUA_PATH LUA_CPATH\n%s")
      :format(folder, table.concat(commands, "\n"))}
    return process.start(words, {env = {PORT = PORTS["8080"], MAKEFLAGS = ""}})
  end

  local function ctrl_c()
    if not server then return end
    os.execute(("kill -s INT -- -%d"):format(server.pid))
    server:wait()
    local output = server:output()
    server:stop()
    server = nil
    assert.is_nil(output:find "traceback", output)
  end

  local in_terminal = {}

  in_terminal["1"] = function(commands)
    ctrl_c()
    for _, port in pairs(PORTS) do assert.is_false(raw.answers(port), "it goes on") end
    server = type_in(commands)
    local deadline = socket.gettime() + 250
    while not (raw.answers(PORTS["8080"]) or raw.answers(PORTS["9000"])) do
      assert.is_nil(server:ended(), server:output())
      assert(socket.gettime() < deadline, "it does not begin to serve")
      socket.sleep(0.02)
    end
  end

  in_terminal["2"] = function(commands)
    local child = type_in(commands)
    local status, output = child:wait()
    child:stop()
    assert.equal(0, status, output)
    table.insert(said, output)
  end

  setup(function() folder = copy_checkout() end)

  teardown(function()
    if server then
      os.execute(("kill -s KILL -- -%d"):format(server.pid))
      server:stop()
    end
    for _, reserved in pairs(RESERVED) do reserved:close() end
    os.execute("rm -r " .. folder)
  end)

  it("does what it says", function()
    local steps = steps_of(with_ports(slurp "README.md"))
    for _, step in ipairs(steps) do
      if step.code then
        spill(folder .. "/" .. step.name, step.code)
      else
        if step.commands[1]:find "^export" then  -- is for scripts
          table.insert(step.commands, '$(scripts/lua --which) client.lua')
          in_terminal["1"] {"scripts/lua server.lua"}
        end
        in_terminal[step.terminal](step.commands)
      end
    end
    ctrl_c()
    assert.equal("hello\ttext\n", said[1])
    assert.matches("^connected to ws://127%.0%.0%.1:%d+/\nclosed 1000\n$", said[2])
    assert.equal("hello\ttext\n", said[3])
    assert.is_nil(said[4])
  end)
end)
