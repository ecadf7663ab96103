-- Jars of cookies (RFC 6265), which keep what servers set in their answers for later
-- requests. A cookie belongs to the host that has set it and to no other one, unless the
-- jar names its domain: so no list of public suffixes is needed.

local date = require "websock.client.date"
local misuse = require "websock.base.misuse"
local options = require "websock.base.options"
local read = require "websock.client.set_cookie"
local url = require "websock.client.url"

-- RFC 6265 section 6.1 asks for at least as much.
local MOST_OF_DOMAIN = 50
local MOST = 3000

local Jar = options.Jar
Jar.__index = Jar

-- Whom a cookie belongs to (section 5.1) -----------------------------------------

local function is_address(host)
  return host:find(":", 1, true) ~= nil or host:find "^[%d.]+$" ~= nil
end

local function domain_matches(host, domain)
  if host == domain then return true end
  return #host > #domain and host:sub(-#domain - 1) == "." .. domain and not is_address(host)
end

local function path_of(target) return target.target:match "^[^?]*" end

-- Section 5.1.4.
local function default_path(path)
  local folder = path:match "^(/.*)/[^/]*$"
  return folder or "/"
end

local function path_matches(path, prefix)
  if path == prefix then return true end
  return path:sub(1, #prefix) == prefix
    and (prefix:sub(-1) == "/" or path:sub(#prefix + 1, #prefix + 1) == "/")
end

-- Completes a cookie that was set by this target. Returns false if that may not set it.
local function settle(jar, cookie, target)
  local host, domain = target.host:lower(), cookie.domain
  if domain and not domain_matches(host, domain) then return false end
  cookie.host_only = not (domain and jar.domains[domain])
  cookie.domain = cookie.host_only and host or domain
  cookie.path = cookie.path or default_path(path_of(target))
  return true
end

local function is_for(cookie, host, path, is_secure)
  if cookie.secure and not is_secure or not path_matches(path, cookie.path) then return false end
  if cookie.host_only then return host == cookie.domain end
  return domain_matches(host, cookie.domain)
end

-- The jar (section 5.3) ----------------------------------------------------------

-- Drops the cookies for which drops(cookie) is true.
local function drop(jar, drops)
  local list, kept = jar.list, 0
  for i = 1, #list do
    local cookie = list[i]
    if not drops(cookie) then
      kept = kept + 1
      list[kept] = cookie
    end
  end
  for i = #list, kept + 1, -1 do list[i] = nil end
end

local function drop_expired(jar)
  local now = date.now()
  drop(jar, function(cookie) return cookie.expires and cookie.expires <= now end)
end

-- Returns the number of cookies that fit, and the one of them that was used longest ago.
local function count(jar, fits)
  local n, oldest = 0, nil
  for _, cookie in ipairs(jar.list) do
    if fits(cookie) then
      n = n + 1
      if not oldest or cookie.used < oldest.used then oldest = cookie end
    end
  end
  return n, oldest
end

local function make_room(jar, most, fits)
  local n, oldest = count(jar, fits)
  if n >= most then drop(jar, function(cookie) return cookie == oldest end) end
end

local function anyone() return true end

local function tick(jar)
  jar.time = jar.time + 1
  return jar.time
end

-- Keeps a cookie in place of one with its name, domain and path.
local function keep(jar, cookie)
  cookie.created, cookie.used = tick(jar), jar.time
  drop(jar, function(other)
    local same = other.name == cookie.name and other.domain == cookie.domain
      and other.path == cookie.path
    if same then cookie.created = other.created end
    return same
  end)
  drop_expired(jar)
  if cookie.expires and cookie.expires <= date.now() then return end
  make_room(jar, MOST_OF_DOMAIN, function(other) return other.domain == cookie.domain end)
  make_room(jar, MOST, anyone)
  table.insert(jar.list, cookie)
end

local function set(jar, target, line)
  local cookie, why = read(line)
  if not cookie then return nil, why end
  if not settle(jar, cookie, target) then return nil, "the host is not in that domain" end
  keep(jar, cookie)
  return true
end

-- Returns the cookies for a target, in the order of section 5.4.
local function matching(jar, target)
  drop_expired(jar)
  local host, path, found = target.host:lower(), path_of(target), {}
  for _, cookie in ipairs(jar.list) do
    if is_for(cookie, host, path, target.scheme == "wss") then found[#found + 1] = cookie end
  end
  table.sort(found, function(a, b)
    if #a.path ~= #b.path then return #a.path > #b.path end
    return a.created < b.created
  end)
  return found
end

--- Returns the Cookie field for a request, nil for none.
---@param target table # of url.parse
---@return string?
function Jar:field(target)
  local pairs_of = {}
  for i, cookie in ipairs(matching(self, target)) do
    cookie.used = tick(self)
    pairs_of[i] = cookie.name .. "=" .. cookie.value
  end
  return pairs_of[1] and table.concat(pairs_of, "; ")
end

--- Keeps what an answer sets.
---@param target table # that has answered
---@param fields string[][] # {name, value} of each field
function Jar:store(target, fields)
  for _, field in ipairs(fields) do
    if field[1]:lower() == "set-cookie" then set(self, target, field[2]) end
  end
end

-- For users ----------------------------------------------------------------------

--- Sets a cookie as if the server of this URL had.
---@param address string # a URL
---@param line string # the value of a Set-Cookie field
---@return true|nil, string? err # "url: ...", "cookie: ..."
function Jar:set(address, line)
  local target, err = url.parse(address, "set")
  if not target then return nil, err end
  if type(line) ~= "string" then misuse("set: cookie: string expected, got %s", type(line)) end
  local ok, why = set(self, target, line)
  if not ok then return nil, "cookie: " .. why end
  return true
end

--- Returns the value of a cookie that a request for this URL would have, or without a
--- name all of them, as its Cookie field.
---@param address string # a URL
---@param name? string
---@return string?, string? err # nil, "url: ..."
function Jar:get(address, name)
  local target, err = url.parse(address, "get")
  if not target then return nil, err end
  if name == nil then return self:field(target) end
  for _, cookie in ipairs(matching(self, target)) do
    if cookie.name == name then return cookie.value end
  end
end

local PUBLIC = {"name", "value", "domain", "host_only", "path", "secure", "http_only", "expires"}

local function copy(cookie)
  local copied = {}
  for _, field in ipairs(PUBLIC) do copied[field] = cookie[field] end
  return copied
end

--- Iterates over copies of all cookies that have not expired. Meanwhile the jar may change.
---@return fun(): table?
function Jar:each()
  drop_expired(self)
  local copies, i = {}, 0
  for n, cookie in ipairs(self.list) do copies[n] = copy(cookie) end
  return function()
    i = i + 1
    return copies[i]
  end
end

function Jar:__tostring()
  return ("websock.cookies (%d): %p"):format(#self.list, self)
end

--- See docs/reference.md.
return function(given)
  local o = options.check("cookies", given)
  local domains = {}
  for _, domain in ipairs(o.domains or {}) do domains[domain:gsub("^%.", ""):lower()] = true end
  return setmetatable({domains = domains, list = {}, time = 0}, Jar)
end
