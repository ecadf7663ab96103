-- Checks the options of a function, and adds the defaults: a mistake raises an error that
-- names it.

local kinds = require "websock.base.kinds"
local misuse = require "websock.base.misuse"
local nearest = require "websock.base.nearest"
local settings = require "websock.base.settings"
local text_of = require "websock.base.text"

-- The table of each function's options, under its name.
local options = {callable = kinds.callable, Context = kinds.Context, Jar = kinds.Jar}
for name, all in pairs(settings) do options[name] = all end

-- Pairs of options that exclude each other.
local APART = {
  connect = {{"unix", "socket"}, {"family", "unix"}, {"family", "socket"},
    {"attempt_delay", "unix"}, {"attempt_delay", "socket"}, {"proxy", "unix"}, {"proxy", "socket"}},
  listen = {
    {"handler", "on_message"},
    {"unix", "socket"}, {"host", "unix"}, {"port", "unix"}, {"reuseport", "unix"},
    {"host", "socket"}, {"port", "socket"}, {"reuseport", "socket"}, {"backlog", "socket"},
  },
}
APART.serve = APART.listen
APART.reconnect = {{"family", "unix"}, {"attempt_delay", "unix"}, {"proxy", "unix"}}

-- Options that mean nothing without another.
local NEEDS = {on_open = "on_message", on_drain = "on_message", proxy_tls = "proxy"}

-- The role of a function's option `tls`; websock.tls serves both.
local ROLES = {
  connect = "client", reconnect = "client", listen = "server", serve = "server", accept = "server",
  set_tls = "server",
}

--- Returns a value in the form for an error message.
function options.show(value)
  return type(value) == "string" and ("%q"):format(value)
    or text_of(value)
end

local show = options.show

local function check_one(where, name, option, value)
  local ok, expected, instead = option[2](value)
  if ok then return end
  if instead then misuse("%s: option '%s': %s", where, name, instead) end
  misuse("%s: option '%s': %s expected, got %s", where, name, expected, show(value))
end

-- Describes where an option that is not in `all` belongs; nil if nowhere.
local function home_of(name, all)
  for _, inner in ipairs {"tls", "compress"} do
    if all[inner] and options[inner][name] then return "it belongs in '" .. inner .. "'" end
  end
  for _, where in ipairs {"connect", "listen", "accept"} do
    if options[where][name] then return where .. " has it" end
  end
end

-- Returns a hint for the message about an unknown option.
local function hint(name, all)
  if type(name) ~= "string" then return "" end
  local meant = nearest(name, all)
  if meant then return (" (did you mean '%s'?)"):format(meant) end
  local home = home_of(name, all)
  return home and " (" .. home .. ")" or ""
end

local OTHERS = {
  client = "means nothing to a server (whose clients `client_ca` is about)",
  server = "means nothing to a client (who trusts the authorities of `ca_file`)",
}

-- Rejects an option of the other role. role: nil if both are allowed.
local function check_role(where, name, option, role)
  local whose = option[4]
  if whose and role and whose ~= role then
    misuse("%s: option '%s' %s", where, name, OTHERS[whose])
  end
end

-- Checks one table of options against `all`, and adds the defaults.
local function check_table(where, all, given, role)
  local checked = {}
  for name, option in pairs(all) do checked[name] = option[1] end
  for name, value in pairs(given or {}) do
    local option = all[name]
    if not option then
      misuse("%s: unknown option '%s'%s", where, text_of(name), hint(name, all))
    end
    check_one(where, name, option, value)
    check_role(where, name, option, role)
    checked[name] = value
  end
  return checked
end

-- Rejects options of listening for a server that does not listen (port = false).
local function check_listener(where, given)
  if given.port ~= false or given.unix or given.socket then return end
  for _, one in ipairs {"host", "reuseport", "backlog"} do
    if given[one] then
      misuse("%s: option '%s' does not go with 'port = false'", where, one)
    end
  end
end

-- Rejects options that exclude each other, or lack another; false counts as not given.
local function check_pairs(where, given)
  for name, needed in pairs(NEEDS) do
    if given[name] and not given[needed] then
      misuse("%s: option '%s' needs '%s'", where, name, needed)
    end
  end
  if where == "listen" or where == "serve" then check_listener(where, given) end
  for _, pair in ipairs(APART[where] or {}) do
    local one, other = pair[1], pair[2]
    if given[one] and given[other] then
      misuse("%s: option '%s' does not go with '%s'", where, one, other)
    end
  end
end

--- Returns the given options with the defaults added; raises if one is unknown or out
--- of range.
---@param where string # the function they belong to: "connect", "listen", "send" ...
---@param given table?
---@return table
function options.check(where, given)
  if given ~= nil and type(given) ~= "table" then
    misuse("%s: options: table expected, got %s", where, type(given))
  end
  local checked = check_table(where, options[where], given)
  check_pairs(where, given or {})
  for _, name in ipairs {"compress", "backoff"} do
    if type(checked[name]) == "table" then
      checked[name] = check_table(where .. ": " .. name, options[name], checked[name])
    end
  end
  for _, name in ipairs {"tls", "proxy_tls"} do
    local given_tls = checked[name]
    if type(given_tls) == "table" and getmetatable(given_tls) ~= options.Context then
      checked[name] = check_table(where .. ": " .. name, options.tls, given_tls, ROLES[where])
    end
  end
  return checked
end

--- Raises unless value is a timeout: nil or seconds from 0 up.
---@param where? string # the function whose argument it is
function options.check_timeout(value, where)
  if value ~= nil and not kinds.seconds(value) then
    misuse("%stimeout: a number of seconds from 0 up expected, got %s",
      where and where .. ": " or "", show(value))
  end
end

return options
