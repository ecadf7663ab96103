-- The graph of dependencies: an arrow goes from a C file to each file whose functions
-- it calls, as the linker sees it, and from a module to each that it requires anywhere.
-- Fails on a circle, and on an arrow from a layer to one above it.
-- Usage: scripts/lua scripts/graph.lua [--arrows]     after make; --arrows lists them

local OBJECTS = "$(ls csrc/*/*.c | sed 's|csrc/\\(.*\\)c$|build/obj/\\1o|')"
local lines = dofile "scripts/lines.lua"

-- The layers, which are folders of csrc/, and the layers that each may need.
local LAYERS = {core = {}, net = {}, binding = {core = true, net = true}}
-- The same for the folders of lua/websock/; folders that are not listed may need any.
-- The loop, in io, is passed to the others as an object.
local FOLDERS = {
  base = {}, io = {base = true}, link = {base = true},
  proxy = {base = true},
  client = {base = true, link = true, proxy = true}, server = {base = true, link = true},
}

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- graph[a][b]: a needs b.
local function add(graph, from, to)
  graph[from] = graph[from] or {}
  if to and to ~= from then graph[from][to] = true end
end

-- Returns the graph of the object files, and layer_of[a], the folder of each.
local function of_objects()
  local home, needs, graph, layer_of = {}, {}, {}, {}
  local file
  for _, line in ipairs(lines("nm " .. OBJECTS)) do
    local layer, begins = line:match "(%w+)/([%w_]+)%.o:$"
    if begins then
      file = begins
      layer_of[file] = layer
    end
    local kind, name = line:match "(%a) ([%w_]+)$"
    if kind == "U" then
      needs[#needs + 1] = {file, name}
    elseif kind and kind:match "[TDBRV]" then
      home[name] = file
    end
    if file then add(graph, file) end
  end
  for _, need in ipairs(needs) do
    if home[need[2]] then add(graph, need[1], home[need[2]]) end
  end
  return graph, layer_of
end

local function folder_of(module)
  return module:match "^websock%.(%w+)%." or ""
end

-- Leaves out websock.core, which every module may need.
local function of_modules()
  local graph = {}
  for _, path in ipairs(lines "find lua -name '*.lua'") do
    local module = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/", "."):gsub("%.init$", "")
    local file <close> = assert(io.open(path))
    add(graph, module)
    for name in file:read "a":gmatch "require%s*%(?%s*[\"'](websock[%w_.]*)" do
      if name ~= "websock.core" then add(graph, module, name) end
    end
  end
  return graph
end

-- Returns the circles, each as the list of its members (Tarjan).
local function circles(graph)
  local index, low, on, stack, found, n = {}, {}, {}, {}, {}, 0
  local function visit(a)
    n = n + 1
    index[a], low[a], on[a] = n, n, true
    stack[#stack + 1] = a
    for b in pairs(graph[a] or {}) do
      if not index[b] then
        visit(b)
        low[a] = math.min(low[a], low[b])
      elseif on[b] then
        low[a] = math.min(low[a], index[b])
      end
    end
    if low[a] ~= index[a] then return end
    local circle = {}
    repeat
      local b = table.remove(stack)
      on[b] = nil
      circle[#circle + 1] = b
    until b == a
    if #circle > 1 then found[#found + 1] = circle end
  end
  for _, a in ipairs(sorted(graph)) do
    if not index[a] then visit(a) end
  end
  return found
end

local failed = false

local function complain(...)
  print(("  " .. ...))
  failed = true
end

local function report(name, graph)
  local files, arrows = 0, 0
  for _, needs in pairs(graph) do
    files = files + 1
    for _ in pairs(needs) do arrows = arrows + 1 end
  end
  local found = circles(graph)
  print(("%s: %d files, %d arrows, %d circles"):format(name, files, arrows, #found))
  for _, circle in ipairs(found) do
    table.sort(circle)
    complain("a circle: " .. table.concat(circle, " "))
  end
  if arg[1] ~= "--arrows" then return end
  for _, file in ipairs(sorted(graph)) do
    print(("  %s -> %s"):format(file, table.concat(sorted(graph[file]), " ")))
  end
end

local function check_folders(graph)
  for _, a in ipairs(sorted(graph)) do
    local folder = folder_of(a)
    local below = FOLDERS[folder]
    for b in pairs(below and graph[a] or {}) do
      local other = folder_of(b)
      if other ~= folder and not below[other] then complain(("%s needs %s"):format(a, b)) end
    end
  end
end

local all, layer_of = of_objects()
for _, layer in ipairs(sorted(LAYERS)) do
  local inside = {}
  for _, a in ipairs(sorted(all)) do
    if layer_of[a] == layer then
      add(inside, a)
      for b in pairs(all[a]) do
        local below = layer_of[b]
        if below == layer then
          add(inside, a, b)
        elseif not LAYERS[layer][below] then
          complain(("%s needs %s"):format(a, b))
        end
      end
    end
  end
  report("csrc/" .. layer, inside)
end
report("all C files", all)
local modules = of_modules()
report("modules", modules)
check_folders(modules)
os.exit(not failed)
