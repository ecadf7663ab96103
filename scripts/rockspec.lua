-- Compares the rockspec's lists of files with the tree.
-- Usage: scripts/lua scripts/rockspec.lua [--update]
-- It names files that are missing or too many; --update rewrites the lists.

local PATH = "rockspec/websock-scm-1.rockspec"

local lines = dofile "scripts/lines.lua"

local function c_sources ()
  return lines("ls csrc/*/*.c | LC_ALL=C sort")
end

-- Module name -> file, as `require` finds it under lua/.
local function lua_modules ()
  local names, files = {}, {}
  for i, file in ipairs(lines("find lua -name '*.lua' | LC_ALL=C sort")) do
    local name = file:match("^lua/(.*)%.lua$"):gsub("/init$", ""):gsub("/", ".")
    names[i], files[name] = name, file
  end
  table.sort(names)
  return names, files
end

-- Prints what is in one set and not in the other.
local function differences (what, tree, rock)
  local count = 0
  local function missing (from, to, where)
    for item in pairs(from) do
      if not to[item] then
        count = count + 1
        print(("%s %s is not in %s"):format(what, item, where))
      end
    end
  end
  missing(tree, rock, PATH)
  missing(rock, tree, "the tree")
  return count
end

local function set (items)
  local found = {}
  for _, item in ipairs(items) do found[item] = true end
  return found
end

local function check ()
  local rock = {}
  assert(loadfile(PATH, "t", rock))()
  local modules, wanted = {}, {}
  for name, file in pairs(rock.build.modules) do
    if type(file) == "string" then modules[name .. " = " .. file] = true end
  end
  local names, files = lua_modules()
  for _, name in ipairs(names) do wanted[name .. " = " .. files[name]] = true end
  return differences("source", set(c_sources()), set(rock.build.modules["websock.core"].sources))
    + differences("module", wanted, modules)
end

-- Replaces the lines between "-- begin NAME" and "-- end NAME".
local function replace (text, name, items, indent)
  local pattern = ("(%%-%%- begin %s\n).-( *%%-%%- end %s)"):format(name, name)
  local body = ""
  for _, line in ipairs(items) do body = body .. indent .. line .. "\n" end
  local result, n = text:gsub(pattern, function (first, last) return first .. body .. last end)
  assert(n == 1, "no place for " .. name .. " in " .. PATH)
  return result
end

local function update ()
  local file = assert(io.open(PATH))
  local text = file:read("a")
  file:close()
  local sources, modules = c_sources(), {}
  for i, source in ipairs(sources) do sources[i] = ("%q,"):format(source) end
  local names, files = lua_modules()
  for i, name in ipairs(names) do modules[i] = ("[%q] = %q,"):format(name, files[name]) end
  text = replace(text, "sources", sources, "        ")
  text = replace(text, "modules", modules, "    ")
  file = assert(io.open(PATH, "w"))
  file:write(text)
  file:close()
end

if arg[1] == "--update" then update() end
os.exit(check() == 0)
