-- Certificates for tests, made by the system's openssl command on first use, in a
-- temporary folder that is removed with this process.
--
--   local certificates = require "support.certificates"
--   certificates.server.cert, .key, .chain     paths of PEM files
--   certificates.text(path)                    the contents of one

local process = require "support.process"

-- The issuer of each (none: self-signed), its purpose, names and dates. Common names
-- are misleading, for peers that check them instead of the alternative names.
local KINDS = {
  ca = {ca = true},
  intermediate = {by = "ca", ca = true},
  server = {by = "intermediate", names = "DNS:localhost,IP:127.0.0.1,IP:::1"},
  renewed = {by = "ca", names = "DNS:localhost,IP:127.0.0.1,IP:::1"},
  host_only = {by = "ca", names = "DNS:localhost,DNS:127.0.0.1", common = "127.0.0.1"},
  address_only = {by = "ca", names = "IP:127.0.0.1,IP:::1", common = "localhost"},
  wrong_name = {by = "ca", names = "DNS:example.com", common = "localhost"},
  wrong_address = {by = "ca", names = "IP:127.0.0.2", common = "127.0.0.1"},
  wildcard = {by = "ca", names = "DNS:*.example.com"},
  expired = {by = "ca", names = "DNS:localhost", from = "20200101000000Z", to = "20210101000000Z"},
  early = {by = "ca", names = "DNS:localhost", from = "20990101000000Z", to = "21000101000000Z"},
  self_signed = {names = "DNS:localhost,IP:127.0.0.1"},
  encrypted = {by = "ca", names = "DNS:localhost,IP:127.0.0.1", password = "open sesame"},
  rsa = {by = "ca", names = "DNS:localhost", algorithm = "rsa:2048"},
  client = {by = "ca", names = "email:ada@example.com", usage = "clientAuth"},
  by_no_authority = {by = "renewed", names = "DNS:localhost"},
  stranger = {ca = true},
  strange_server = {by = "stranger", names = "DNS:localhost"},
  strange_client = {by = "stranger", names = "email:eve@example.com", usage = "clientAuth"},
}

local CONFIG = [[
[ca]
default_ca = this
[this]
database = %s/index
new_certs_dir = %s
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = 30
policy = any
[any]
commonName = supplied
[req]
distinguished_name = none
[none]
]]

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

-- The folder, and what removes it.
local folder
local guard = setmetatable({}, {__gc = function()
  if folder then os.execute("rm -rf " .. process.quote {folder}) end
end})

local function make_folder()
  local pipe <close> = io.popen "mktemp -d"
  folder = assert(pipe:read "l")
  write(folder .. "/index", "")
  write(folder .. "/config", CONFIG:format(folder, folder))
end

-- Runs the openssl command in the folder; raises its output if it fails.
local function openssl(...)
  local line = ("cd %s && openssl %s >log 2>&1 </dev/null"):format(process.quote {folder},
    process.quote {...})
  if os.execute(line) then return end
  local file <close> = io.open(folder .. "/log")
  error(line .. "\n" .. file:read "a")
end

local function extensions(kind)
  local lines = {"basicConstraints = critical,CA:" .. (kind.ca and "TRUE" or "FALSE")}
  local function add(line) lines[#lines + 1] = line end
  add "subjectKeyIdentifier = hash"
  if kind.by then add "authorityKeyIdentifier = keyid" end
  if kind.ca then
    add "keyUsage = critical,keyCertSign,cRLSign"
  else
    add("extendedKeyUsage = " .. (kind.usage or "serverAuth"))
    add("subjectAltName = " .. kind.names)
  end
  return table.concat(lines, "\n") .. "\n"
end

-- The key, and the request that asks for its certificate.
local function request(name, kind)
  local words = {"req", "-config", "config", "-new", "-newkey", kind.algorithm or "ec",
    "-subj", "/CN=" .. (kind.common or name), "-keyout", name .. ".key", "-out", name .. ".csr"}
  local function add(...) table.move({...}, 1, select("#", ...), #words + 1, words) end
  if not kind.algorithm then add("-pkeyopt", "ec_paramgen_curve:prime256v1") end
  if kind.password then add("-passout", "pass:" .. kind.password) else add "-nodes" end
  openssl(table.unpack(words))
end

local function sign(name, kind)
  write(("%s/%s.ext"):format(folder, name), extensions(kind))
  local words = {"ca", "-batch", "-config", "config", "-notext", "-in", name .. ".csr",
    "-out", name .. ".crt", "-extfile", name .. ".ext"}
  local function add(...) table.move({...}, 1, select("#", ...), #words + 1, words) end
  if kind.by then
    add("-cert", kind.by .. ".crt", "-keyfile", kind.by .. ".key")
  else
    add("-selfsign", "-keyfile", name .. ".key")
  end
  if kind.from then add("-startdate", kind.from, "-enddate", kind.to) end
  openssl(table.unpack(words))
end

local certificates = {}

---The contents of a file.
function certificates.text(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

-- Writes the certificate, followed by its issuers without the root.
local function write_chain(name, kind)
  local text = certificates.text(("%s/%s.crt"):format(folder, name))
  local by = kind.by
  while by and KINDS[by].by do
    text = text .. certificates.text(certificates[by].cert)
    by = KINDS[by].by
  end
  write(("%s/%s.pem"):format(folder, name), text)
end

local function make(name)
  local kind = KINDS[name] or error("no certificate '" .. name .. "'", 3)
  if not folder then make_folder() end
  if kind.by then assert(certificates[kind.by]) end
  request(name, kind)
  sign(name, kind)
  write_chain(name, kind)
  local base = folder .. "/" .. name
  return {cert = base .. ".crt", chain = base .. ".pem", key = base .. ".key",
    password = kind.password}
end

---A path in the folder, for files of a test.
function certificates.path(name)
  if not folder then make_folder() end
  return folder .. "/" .. name
end

---A folder of CA certificates, for `ca_path`.
function certificates.hashed(...)
  local path = certificates.path("hashed-" .. table.concat({...}, "-"))
  assert(os.execute("mkdir -p " .. path))
  for _, name in ipairs {...} do
    write(("%s/%s.pem"):format(path, name), certificates.text(certificates[name].cert))
  end
  openssl("rehash", path)
  return path
end

---The `tls` table of a server with this certificate.
---@param name string
---@param more? table # more keys, which replace those of the same name
function certificates.of(name, more)
  local made = certificates[name]
  local tls = {cert = made.chain, key = made.key, password = made.password}
  for key, value in pairs(more or {}) do tls[key] = value end
  return tls
end

return setmetatable(certificates, {guard = guard, __index = function(self, name)
  local made = make(name)
  rawset(self, name, made)
  return made
end})
